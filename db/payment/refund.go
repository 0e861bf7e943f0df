package payment

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
)

// RecordRefused writes that refused payments must be returned, each once. A reference that
// has paid for an order is no money that is left.
func RecordRefused(ctx context.Context, tx pgx.Tx, payments []Payment) error {
	if len(payments) == 0 {
		return nil
	}

	columns := columnsOf(payments)

	return pipeline.Exec(ctx, tx, "record refused payments", `
		INSERT INTO refunds (reference, order_id, client, cause, order_status, amount, currency)
		SELECT p.reference, p.order_id, p.client, 'refused', orders.status, p.amount, p.currency
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[]) AS p (order_id, reference, client, amount, currency)
		JOIN orders ON orders.id = p.order_id
		WHERE NOT EXISTS (SELECT FROM payments WHERE payments.reference = p.reference AND payments.client IN (p.client, ''))
		ORDER BY p.reference, p.order_id, p.client
		ON CONFLICT DO NOTHING`, columns.ids, columns.references, columns.clients, columns.amounts, columns.currencies)
}

// ForgetRefused deletes the refunds of references that have paid for another order since.
func ForgetRefused(ctx context.Context, tx pgx.Tx, references []Reference) error {
	if len(references) == 0 {
		return nil
	}

	var names, clients []string

	for _, r := range references {
		names, clients = append(names, r.Name), append(clients, r.Client)
	}

	return pipeline.Exec(ctx, tx, "forget refused payments", `
		DELETE FROM refunds
		USING unnest($1::text[], $2::text[]) AS p (reference, client)
		WHERE refunds.reference = p.reference
			AND refunds.client IN (p.client, '')
			AND cause = 'refused'
			AND state = 'due'`, names, clients)
}

// RecordRefunds writes that the payments of orders that have ended must be returned.
func RecordRefunds(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	return pipeline.Exec(ctx, tx, "record refunds", `
		INSERT INTO refunds (reference, order_id, client, cause, order_status, amount, currency)
		SELECT payments.reference, orders.id, payments.client, 'ended', orders.status, payments.amount, payments.currency
		FROM payments
		JOIN orders ON orders.id = payments.order_id
		WHERE payments.order_id = ANY($1)
		ORDER BY payments.reference
		ON CONFLICT DO NOTHING`, ids)
}
