package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// An ending is how an order ends other than well.
type ending struct {
	order  order.Order // locked by this transaction
	event  order.Event
	reason string
	actor  string
}

// end moves locked orders to the final states of their endings and makes them net
// to zero, all in this transaction: stock is given back, points are voided or
// reversed, the customer is told, and the way it ended is kept. Steps of the
// orders that come later find their keys taken, or the status final.
//
// The inbox gets "created" with it, if it is not there yet: a message that the
// order was created must not come in behind the one that it is over.
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
		notices = append(notices,
			db.Notice{OrderID: e.order.ID, Template: order.NoticeCreated},
			db.Notice{OrderID: e.order.ID, Template: order.Template(to)})
		events = append(events, db.OrderEvent{
			OrderID: e.order.ID,
			Type:    string(to),
			Detail:  map[string]any{"from": e.order.Status, "reason": e.reason},
			Actor:   e.actor,
		})
	}

	if err := db.SetStatus(ctx, tx, moves); err != nil {
		return err
	}

	if err := db.Release(ctx, tx, ids); err != nil {
		return err
	}

	if err := db.TakeBackPoints(ctx, tx, ids); err != nil {
		return err
	}

	if _, err := db.Notify(ctx, tx, notices); err != nil {
		return err
	}

	return db.RecordEvents(ctx, tx, events)
}
