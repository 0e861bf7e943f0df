package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Payments returns the references that paid for the orders, by order.
func Payments(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := q.Query(ctx, `
		SELECT order_id, reference
		FROM payments
		WHERE order_id = ANY($1)`, ids)

	return paymentsOf(rows, err, "read payments")
}

// Pay writes a payment for each of the orders and returns the payments that were
// written. If an order's payment is not in the result, its reference has paid for another
// order.
func Pay(ctx context.Context, tx pgx.Tx, payments map[uuid.UUID]string) (map[uuid.UUID]string, error) {
	ids, references := make([]uuid.UUID, 0, len(payments)), make([]string, 0, len(payments))
	for id, reference := range payments {
		ids, references = append(ids, id), append(references, reference)
	}

	rows, err := tx.Query(ctx, `
		INSERT INTO payments (order_id, reference)
		SELECT p.order_id, p.reference
		FROM unnest($1::uuid[], $2::text[]) AS p (order_id, reference)
		ORDER BY p.reference, p.order_id
		ON CONFLICT DO NOTHING
		RETURNING order_id, reference`, ids, references)

	return paymentsOf(rows, err, "write payments")
}

func paymentsOf(rows pgx.Rows, err error, doing string) (map[uuid.UUID]string, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}

	var (
		id        uuid.UUID
		reference string
	)

	payments := map[uuid.UUID]string{}

	_, err = pgx.ForEachRow(rows, []any{&id, &reference}, func() error {
		payments[id] = reference

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}

	return payments, nil
}
