package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
	"orders/order/message"
)

// A Notice is a message that an order's customer is to get.
type Notice struct {
	OrderID  uuid.UUID
	Template order.Template
}

// Notify puts the notices into the customers' inboxes, each once and in the language of its
// order, and returns how many of the notices have an order.
func Notify(ctx context.Context, tx pgx.Tx, notices []Notice) (placed int, err error) {
	ids, templates := make([]uuid.UUID, len(notices)), make([]string, len(notices))

	var named, locales, bodies []string //nolint:prealloc // ten of each

	for i, n := range notices {
		ids[i], templates[i] = n.OrderID, string(n.Template)
	}

	for _, t := range order.Templates() {
		for _, l := range order.Locales() {
			named, locales, bodies = append(named, string(t)), append(locales, string(l)), append(bodies, message.Inbox(t, l))
		}
	}

	err = tx.QueryRow(ctx, `
		WITH notice AS (
			SELECT n.order_id, n.template, o.user_id, m.body
			FROM unnest($1::uuid[], $2::text[]) AS n (order_id, template)
			JOIN orders AS o ON o.id = n.order_id
			JOIN unnest($3::text[], $4::text[], $5::text[]) AS m (template, locale, body)
				ON m.template = n.template AND m.locale = coalesce(o.locale, 'en')
		), sent AS (
			INSERT INTO notifications (order_id, template, user_id, body)
			SELECT order_id, template, user_id, body
			FROM notice
			ORDER BY order_id, template
			ON CONFLICT DO NOTHING
		)
		SELECT count(*)
		FROM notice`, ids, templates, named, locales, bodies).Scan(&placed)
	if err != nil {
		return 0, fmt.Errorf("notify: %w", err)
	}

	return placed, nil
}

// A Notification is a message in a customer's inbox.
type Notification struct {
	OrderID  uuid.UUID
	Template string
	Body     string
	At       time.Time
}

// later tells of two messages of one moment which is the later fact: one transaction may
// send the message of a step and then the message that the order has ended.
const later = `(template <> ALL(ARRAY(SELECT template FROM steps)))`

// A LedgerPosition is where a page of a customer's ledger or inbox ended: the
// next page starts after it. Label is the entry's kind or template.
type LedgerPosition struct {
	At      time.Time
	OrderID uuid.UUID
	Label   string
}

// Inbox lists a customer's notifications, newest first: at most limit notifications
// that follow the position after (nil for the first page).
func Inbox(ctx context.Context, q Querier, userID string, after *LedgerPosition, limit int) ([]Notification, error) {
	query := `
		SELECT order_id, template, body, at
		FROM notifications
		WHERE user_id = $1`
	args := []any{userID, limit}

	if after != nil {
		query += `
			AND (at, order_id) <= ($3, $4) -- for the index
			AND (at, order_id, ` + later + `, template) < ($3, $4, $5 <> ALL(ARRAY(SELECT template FROM steps)), $5)`

		args = append(args, after.At, after.OrderID, after.Label)
	}

	rows, err := q.Query(ctx, query+`
		ORDER BY at DESC, order_id DESC, `+later+` DESC, template DESC
		LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}

	inbox, err := pgx.CollectRows(rows, pgx.RowToStructByName[Notification])
	if err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}

	return inbox, nil
}
