// Package payment writes and reads what has paid for orders, and what must be returned.
package payment

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// A Payment is a payment for an order.
type Payment struct {
	OrderID uuid.UUID
	order.Payment

	Kept bool // it came before the order's stock was reserved
}

// Of returns the payments of the orders, by order.
func Of(ctx context.Context, q db.Querier, ids []uuid.UUID) (map[uuid.UUID]order.Payment, error) {
	payments := map[uuid.UUID]order.Payment{}
	if len(ids) == 0 {
		return payments, nil
	}

	rows, err := q.Query(ctx, `
		SELECT order_id, client, reference, coalesce(amount, 0), coalesce(currency, '')
		FROM payments
		WHERE order_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}

	var (
		id uuid.UUID
		p  order.Payment
	)

	_, err = pgx.ForEachRow(rows, []any{&id, &p.Client, &p.Reference, &p.Amount, &p.Currency}, func() error {
		payments[id] = p

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}

	return payments, nil
}

// A Reference is the name that a client has for a payment.
type Reference struct{ Client, Name string }

// ReferenceOf is the reference of a payment.
func ReferenceOf(p order.Payment) Reference { return Reference{Client: p.Client, Name: p.Reference} }

// Write writes payments, at most one for each order, for orders that the transaction has locked
// and that are not paid. It returns, for each reference that has paid for another order, the
// id of that order: its payment is not written. A payment without a client is of everybody's.
func Write(ctx context.Context, tx pgx.Tx, payments []Payment) (map[Reference]uuid.UUID, error) {
	if len(payments) == 0 {
		return nil, nil //nolint:nilnil // none has
	}

	columns := columnsOf(payments)
	kept := make([]bool, len(payments))

	for i, p := range payments {
		kept[i] = p.Kept
	}

	tag, err := tx.Exec(ctx, `
		INSERT INTO payments (order_id, reference, client, amount, currency, kept)
		SELECT p.order_id, p.reference, p.client, p.amount, p.currency, p.kept
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bool[])
			AS p (order_id, reference, client, amount, currency, kept)
		WHERE p.client = ''
			OR NOT EXISTS (SELECT FROM payments WHERE payments.reference = p.reference AND payments.client = '' OFFSET 0)
		ORDER BY p.reference, p.client, p.order_id
		ON CONFLICT DO NOTHING`, columns.ids, columns.references, columns.clients, columns.amounts, columns.currencies, kept)
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
func paidElsewhere(ctx context.Context, tx pgx.Tx, columns paymentColumns) (map[Reference]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `
		SELECT p.client, p.reference, payments.order_id
		FROM unnest($1::uuid[], $2::text[], $3::text[]) AS p (order_id, reference, client)
		JOIN payments ON payments.reference = p.reference
			AND payments.client IN (p.client, '')
			AND payments.order_id <> p.order_id`, columns.ids, columns.references, columns.clients)
	if err != nil {
		return nil, fmt.Errorf("read orders of references: %w", err)
	}

	var (
		reference Reference
		id        uuid.UUID
	)

	elsewhere := map[Reference]uuid.UUID{}

	_, err = pgx.ForEachRow(rows, []any{&reference.Client, &reference.Name, &id}, func() error {
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
	clients    []string
	amounts    []*int64
	currencies []*string
}

func columnsOf(payments []Payment) (c paymentColumns) {
	for _, p := range payments {
		c.ids = append(c.ids, p.OrderID)
		c.references, c.clients = append(c.references, p.Reference), append(c.clients, p.Client)

		amount, currency := &p.Amount, &p.Currency
		if p.Currency == "" {
			amount, currency = nil, nil
		}

		c.amounts, c.currencies = append(c.amounts, amount), append(c.currencies, currency)
	}

	return c
}
