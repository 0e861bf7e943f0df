package delivery

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/order"
)

// EnsureMail makes the endpoint of mail, unless there is one, and returns its id. It gets events of the types, and begins
// at the position.
func EnsureMail(ctx context.Context, tx pgx.Tx, types []event.Type, at event.Position) (id uuid.UUID, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO endpoints (kind, url, types, secret, position_seq, position_n, created_by)
		VALUES ($1, '', $2, '', $3, $4, 'SMTP_URL')
		ON CONFLICT (kind) WHERE kind = 'mail' DO UPDATE
		SET types = excluded.types
		RETURNING id`, Mail, types, at.Seq, at.N).Scan(&id)
	if err != nil {
		return id, fmt.Errorf("make the endpoint of mail: %w", err)
	}

	return id, nil
}

// A Recipient is the customer of an order that has an address.
type Recipient struct {
	OrderID   uuid.UUID
	Email     string
	Locale    order.Locale
	Reference string
	Status    order.Status
}

// Recipients finds those of the orders whose customer gets mail.
func Recipients(ctx context.Context, q db.Querier, orders []uuid.UUID) (map[uuid.UUID]Recipient, error) {
	rows, err := q.Query(ctx, `
		SELECT id AS order_id, email, coalesce(locale, '') AS locale, coalesce(reference, '') AS reference, status
		FROM orders
		WHERE id = ANY($1)
			AND email IS NOT NULL`, orders)
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}

	found := make(map[uuid.UUID]Recipient, len(list))
	for _, r := range list {
		found[r.OrderID] = r
	}

	return found, nil
}
