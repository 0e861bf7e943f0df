package flow

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Notify puts the notices into their customers' inboxes. A template that this
// program does not know is refused: a newer program's worker will know it.
func Notify(ctx context.Context, tx pgx.Tx, notices []db.Notice) ([]db.Result[None], error) {
	var known []db.Notice

	ids := make([]uuid.UUID, len(notices))

	for i, n := range notices {
		ids[i] = n.OrderID

		if n.Template.Text() != "" {
			known = append(known, n)
		}
	}

	found, err := db.Notify(ctx, tx, known)
	if err != nil {
		return nil, err
	}

	done, err := results(ctx, tx, ids, found+len(notices)-len(known))
	if err != nil {
		return nil, err
	}

	for i, n := range notices {
		if n.Template.Text() == "" && done[i].Err == nil {
			done[i].Err = order.Errorf(order.Internal, "This program knows no template %q.", n.Template)
		}
	}

	return done, nil
}
