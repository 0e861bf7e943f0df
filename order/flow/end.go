package flow

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/db/payment"
	"orders/db/tally"
	"orders/order"
)

// An ending moves an order to a final status.
type ending struct {
	order  order.Order // locked by this transaction
	event  order.Event
	reason order.Reason
	actor  string
}

// end moves locked orders to the final statuses of their endings and makes them net to
// zero. In this transaction, each step is revoked, the customer is notified and the
// reason is kept. A step that runs later finds its key taken, or the status final.
func end(ctx context.Context, tx pgx.Tx, endings []ending) error {
	if len(endings) == 0 {
		return nil
	}

	var (
		ids     []uuid.UUID
		moves   []db.Move
		notices []db.Notice
		events  []db.OrderEvent
	)

	for _, e := range endings {
		to, err := e.order.Status.Next(e.event)
		if err != nil {
			return err
		}

		ids = append(ids, e.order.ID)
		moves = append(moves, db.Move{OrderID: e.order.ID, To: to, Reason: e.reason})
		notices = append(notices, db.Notice{OrderID: e.order.ID, Template: order.Template(to)})
		events = append(events, db.OrderEvent{
			OrderID: e.order.ID,
			Type:    string(to),
			Detail:  map[string]any{"from": e.order.Status, "reason": e.reason.Text, "reason_code": e.reason.Code},
			Actor:   e.actor,
		})
	}

	if err := move(ctx, tx, moves); err != nil {
		return err
	}

	for _, spec := range Specs() {
		if err := spec.Revoke(ctx, tx, ids); err != nil {
			return err
		}
	}

	if err := payment.RecordRefunds(ctx, tx, ids); err != nil {
		return err
	}

	if _, err := db.Notify(ctx, tx, notices); err != nil {
		return err
	}

	return db.RecordEvents(ctx, tx, events)
}

// move gives locked orders their new statuses, and tells others.
func move(ctx context.Context, tx pgx.Tx, moves []db.Move) error {
	told := map[event.Type][]uuid.UUID{}

	for _, m := range moves {
		if t := event.OfStatus(m.To); t != "" {
			told[t] = append(told[t], m.OrderID)
		}
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil {
		return err
	}

	count(ctx, moves)

	for t, ids := range told {
		if err := event.Append(ctx, tx, t, ids); err != nil {
			return err
		}
	}

	return nil
}

// count counts the orders that come into a status, for metrics.
func count(ctx context.Context, moves []db.Move) {
	for _, m := range moves {
		if m.To != order.Pending {
			tally.Add(ctx, string(m.To), 1)
		}
	}
}

// GiveUp fails those of the orders that are still pending, because a step that they must
// have is dead. reasons has the ids of the orders, with the reasons. It
// returns the ids of the orders that failed.
func GiveUp(ctx context.Context, tx pgx.Tx, reasons map[uuid.UUID]order.Reason, actor string) (map[uuid.UUID]bool, error) {
	orders, err := db.LockOrders(ctx, tx, slices.Collect(maps.Keys(reasons)))
	if err != nil {
		return nil, err
	}

	var endings []ending

	failed := map[uuid.UUID]bool{}

	for _, o := range orders {
		if _, err := o.Status.Next(order.GiveUp); err == nil {
			failed[o.ID] = true
			endings = append(endings, ending{order: o, event: order.GiveUp, reason: reasons[o.ID], actor: actor})
		}
	}

	return failed, end(ctx, tx, endings)
}
