// Package action keeps who did what: each act of a client, an operator or a program's setting
// is a row of operator_actions, written in the transaction of the act. The system's own acts
// are in the ledgers and events of orders. Placing an order is no action: the order has its
// client.
package action

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/order"
)

// A Name says what was done.
type Name string

// What can be done.
const (
	CancelOrder      Name = "cancel_order"
	PayOrder         Name = "pay_order"
	PutProduct       Name = "put_product"
	ArchiveProduct   Name = "archive_product"
	UnarchiveProduct Name = "unarchive_product"
	BookReceipt      Name = "book_receipt"
	AdjustStock      Name = "adjust_stock"
	RedriveLetter    Name = "redrive_dead_letter"
	ResolveLetter    Name = "resolve_dead_letter"
	ReopenLetter     Name = "reopen_dead_letter"
	CreateToken      Name = "create_token"
	RevokeToken      Name = "revoke_token"
	CreateWebhook    Name = "create_webhook"
	RotateWebhook    Name = "rotate_webhook"
	DisableWebhook   Name = "disable_webhook"
	EnableWebhook    Name = "enable_webhook"
	TestWebhook      Name = "test_webhook"
	Redeliver        Name = "redeliver"
	LogIn            Name = "log_in"
	LogOut           Name = "log_out"
	RetryJob         Name = "retry_job"  // this one and the others below: in River UI
	CancelJob        Name = "cancel_job" // of River, not an order
	DeleteJob        Name = "delete_job"
	PauseQueue       Name = "pause_queue"
	ResumeQueue      Name = "resume_queue"
	ChangeQueue      Name = "change_queue"
	OtherInRiverUI   Name = "other_in_river_ui" // a request that this program does not know
)

// Names lists them.
func Names() []Name {
	return []Name{
		CancelOrder, PayOrder, PutProduct, ArchiveProduct, UnarchiveProduct, BookReceipt, AdjustStock,
		RedriveLetter, ResolveLetter, ReopenLetter, CreateToken, RevokeToken, LogIn, LogOut,
		CreateWebhook, RotateWebhook, DisableWebhook, EnableWebhook, TestWebhook, Redeliver,
		RetryJob, CancelJob, DeleteJob, PauseQueue, ResumeQueue, ChangeQueue, OtherInRiverUI,
	}
}

// A Kind says what was acted on.
type Kind string

// What can be acted on.
const (
	Order      Kind = "order"
	Product    Kind = "product"
	DeadLetter Kind = "dead_letter"
	Job        Kind = "job"
	Queue      Kind = "queue"
	Token      Kind = "token"
	Webhook    Kind = "webhook"
	Delivery   Kind = "delivery"
	Route      Kind = "route" // of a request that this program does not know
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Order, Product, DeadLetter, Job, Queue, Token, Webhook, Delivery, Route}
}

// A Target is what was acted on.
type Target struct {
	Kind Kind
	ID   string
}

// An Action is something that was done.
type Action struct {
	By      order.Actor
	Name    Name
	Target  Target
	OrderID uuid.UUID      // of a letter or a job; zero if the target is an order, or has none
	Detail  map[string]any // without free text, which may be personal data
}

// Record writes actions in the transaction that does them. Acts of the system itself are left
// out.
func Record(ctx context.Context, tx pgx.Tx, actions ...Action) error {
	var (
		actors, identifications, names, kinds, targets, details []string
		orders                                                  []uuid.NullUUID
	)

	for _, a := range actions {
		if a.By.KnownBy == "" {
			continue
		}

		if a.Detail == nil {
			a.Detail = map[string]any{}
		}

		detail, err := json.Marshal(a.Detail)
		if err != nil {
			return fmt.Errorf("encode action: %w", err)
		}

		actors, identifications = append(actors, a.By.Name), append(identifications, string(a.By.KnownBy))
		names, details = append(names, string(a.Name)), append(details, string(detail))
		kinds, targets = append(kinds, string(a.Target.Kind)), append(targets, a.Target.ID)
		orders = append(orders, uuid.NullUUID{UUID: a.OrderID, Valid: a.OrderID != uuid.Nil})
	}

	if len(names) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "record actions", `
		INSERT INTO operator_actions (actor, known_by, action, target_kind, target_id, order_id, detail)
		SELECT a.actor, a.known_by, a.action, a.target_kind, a.target_id, a.order_id, a.detail::jsonb
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[])
			AS a (actor, known_by, action, target_kind, target_id, order_id, detail)`,
		actors, identifications, names, kinds, targets, orders, details)
}
