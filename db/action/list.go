package action

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// A Recorded is an action as it was recorded.
type Recorded struct {
	ID         int64
	At         time.Time
	Actor      string
	KnownBy    order.Identification
	Action     Name
	TargetKind Kind
	TargetID   string
	OrderID    *uuid.UUID
	Detail     map[string]any
}

// A Filter narrows a list; what is zero does not.
type Filter struct {
	Actor      string
	Action     Name
	TargetKind Kind
	TargetID   string
	OrderID    uuid.UUID    // of the target, or the target itself
	Since      order.Moment // then and later
	Until      order.Moment // before
}

// A Position is where a page of a list ended.
type Position struct {
	At time.Time
	ID int64
}

// List lists the actions that match, the newest first: at most limit that follow the position
// after (nil for the first page).
func List(ctx context.Context, q db.Querier, f Filter, after *Position, limit int) ([]Recorded, error) {
	where := f.where()

	if after != nil {
		where.Bare("(at, id) < (" + where.Value(after.At) + ", " + where.Value(after.ID) + ")")
	}

	most := where.Value(limit)

	rows, err := q.Query(ctx, `
		SELECT id, at, actor, known_by, action, target_kind, target_id, order_id, detail
		FROM operator_actions
		WHERE `+where.String()+`
		ORDER BY at DESC, id DESC
		LIMIT `+most, where.Args...)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recorded])
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}

	return list, nil
}

// where are the filter's conditions.
func (f Filter) where() *db.Where {
	w := &db.Where{}

	w.If(f.Actor != "", "actor = ?", f.Actor)
	w.If(f.Action != "", "action = ?", f.Action)
	w.If(f.TargetKind != "", "target_kind = ?", f.TargetKind)
	w.If(f.TargetID != "", "target_id = ?", f.TargetID)
	w.If(f.OrderID != uuid.Nil, "(order_id = ?::uuid OR target_id = ?::uuid::text AND target_kind = 'order')", f.OrderID)
	w.Between("at", f.Since, f.Until)

	return w
}

// OrdersOf finds the orders of jobs. A job of many orders has none here.
func OrdersOf(ctx context.Context, q db.Querier, jobIDs []int64) (map[int64]uuid.UUID, error) {
	rows, err := q.Query(ctx, `
		SELECT id, (args ->> 'order_id')::uuid
		FROM river_job
		WHERE id = ANY($1)
			AND args ? 'order_id'`, jobIDs)
	if err != nil {
		return nil, fmt.Errorf("find orders of jobs: %w", err)
	}

	var (
		id      int64
		orderID uuid.UUID
	)

	orders := map[int64]uuid.UUID{}

	_, err = pgx.ForEachRow(rows, []any{&id, &orderID}, func() error {
		orders[id] = orderID

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find orders of jobs: %w", err)
	}

	return orders, nil
}
