package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/order"
)

func notification() Spec {
	return Spec{
		Step:   declared(order.Notification),
		Apply:  notify,
		Revoke: revokeNotification,
	}
}

// notify puts the message that the order was created into each customer's inbox.
func notify(ctx context.Context, tx pgx.Tx, _ *Queue, ids []uuid.UUID) ([]groupcommit.Result[None], error) {
	found, err := db.Notify(ctx, tx, created(ids))
	if err != nil {
		return nil, err
	}

	return results(ctx, tx, ids, found)
}

// revokeNotification sends the message if it has not been sent. Otherwise the message
// that the order was created could come after the message that it has ended.
func revokeNotification(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	_, err := db.Notify(ctx, tx, created(ids))

	return err
}

func created(ids []uuid.UUID) []db.Notice {
	notices := make([]db.Notice, len(ids))
	for i, id := range ids {
		notices[i] = db.Notice{OrderID: id, Template: order.NoticeCreated}
	}

	return notices
}
