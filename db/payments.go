package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// A Payment is a payment for an order.
type Payment struct {
	OrderID uuid.UUID
	order.Payment

	Kept bool // it came before the order's stock was reserved
}

// Payments returns the payments of the orders, by order.
func Payments(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID]order.Payment, error) {
	payments := map[uuid.UUID]order.Payment{}
	if len(ids) == 0 {
		return payments, nil
	}

	rows, err := q.Query(ctx, `
		SELECT order_id, reference, coalesce(amount, 0), coalesce(currency, '')
		FROM payments
		WHERE order_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}

	var (
		id uuid.UUID
		p  order.Payment
	)

	_, err = pgx.ForEachRow(rows, []any{&id, &p.Reference, &p.Amount, &p.Currency}, func() error {
		payments[id] = p

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}

	return payments, nil
}

// Pay writes payments, at most one for each order, for orders that the transaction has locked
// and that are not paid. It returns, for each reference that has paid for another order, the
// id of that order: its payment is not written.
func Pay(ctx context.Context, tx pgx.Tx, payments []Payment) (map[string]uuid.UUID, error) {
	if len(payments) == 0 {
		return nil, nil //nolint:nilnil // none has
	}

	columns := columnsOf(payments)
	kept := make([]bool, len(payments))

	for i, p := range payments {
		kept[i] = p.Kept
	}

	tag, err := tx.Exec(ctx, `
		INSERT INTO payments (order_id, reference, amount, currency, kept)
		SELECT p.order_id, p.reference, p.amount, p.currency, p.kept
		FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bool[]) AS p (order_id, reference, amount, currency, kept)
		ORDER BY p.reference, p.order_id
		ON CONFLICT DO NOTHING`, columns.ids, columns.references, columns.amounts, columns.currencies, kept)
	if err != nil {
		return nil, fmt.Errorf("write payments: %w", err)
	}

	if int(tag.RowsAffected()) == len(payments) {
		return nil, nil //nolint:nilnil // none has
	}

	return paidElsewhere(ctx, tx, columns)
}

// paidElsewhere finds the references that have paid for other orders. It is a statement of its
// own: the one before waited for the transaction that wrote a reference, but could not see it.
func paidElsewhere(ctx context.Context, tx pgx.Tx, columns paymentColumns) (map[string]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `
		SELECT payments.reference, payments.order_id
		FROM unnest($1::uuid[], $2::text[]) AS p (order_id, reference)
		JOIN payments ON payments.reference = p.reference
			AND payments.order_id <> p.order_id`, columns.ids, columns.references)
	if err != nil {
		return nil, fmt.Errorf("read orders of references: %w", err)
	}

	var (
		reference string
		id        uuid.UUID
	)

	elsewhere := map[string]uuid.UUID{}

	_, err = pgx.ForEachRow(rows, []any{&reference, &id}, func() error {
		elsewhere[reference] = id

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read orders of references: %w", err)
	}

	return elsewhere, nil
}

// paymentColumns are payments as arguments of a statement.
type paymentColumns struct {
	ids        []uuid.UUID
	references []string
	amounts    []*int64
	currencies []*string
}

func columnsOf(payments []Payment) (c paymentColumns) {
	for _, p := range payments {
		c.ids, c.references = append(c.ids, p.OrderID), append(c.references, p.Reference)

		amount, currency := &p.Amount, &p.Currency
		if p.Currency == "" {
			amount, currency = nil, nil
		}

		c.amounts, c.currencies = append(c.amounts, amount), append(c.currencies, currency)
	}

	return c
}
