package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Orders reads orders whole, with lines and steps, the newest first; ids that no
// order has are passed over.
func Orders(ctx context.Context, q Querier, ids []uuid.UUID) ([]order.Order, error) {
	return readOrders(ctx, q, `id = ANY($1)`, ids)
}

// Order reads one order whole; [order.NotFound] when there is none.
func Order(ctx context.Context, q Querier, id uuid.UUID) (order.Order, error) {
	found, err := Orders(ctx, q, []uuid.UUID{id})
	if err != nil {
		return order.Order{}, err
	}

	if len(found) == 0 {
		return order.Order{}, order.Errorf(order.NotFound, "There is no order %s.", id)
	}

	return found[0], nil
}

// An OrderFilter narrows a list; a zero field does not.
type OrderFilter struct {
	UserID string
	Status order.Status
	Before uuid.UUID // ids below it: where the page before ended
	Limit  int
}

// ListOrders lists orders whole, the newest first.
func ListOrders(ctx context.Context, q Querier, f OrderFilter) ([]order.Order, error) {
	var (
		conditions []string
		args       []any
	)

	where := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, condition+" $"+strconv.Itoa(len(args)))
	}

	if f.UserID != "" {
		where("user_id =", f.UserID)
	}

	if f.Status != "" {
		where("status =", string(f.Status))
	}

	if f.Status != "" && f.Status != order.Confirmed {
		conditions = append(conditions, "status <> 'confirmed'") // lets a generic plan use the partial index
	}

	if f.Before != uuid.Nil {
		where("id <", f.Before)
	}

	condition := cmp.Or(strings.Join(conditions, " AND "), "true")

	args = append(args, f.Limit)

	return readOrders(ctx, q, condition+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(args)), args...)
}

// readOrders reads the orders that a condition of ours picks, with lines and steps.
func readOrders(ctx context.Context, q Querier, condition string, args ...any) ([]order.Order, error) {
	rows, err := q.Query(ctx, `
		SELECT id, user_id, status, status_reason, currency, total, hold_until, created_at, updated_at
		FROM orders
		WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}

	orders, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[order.Order])
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}

	slices.SortFunc(orders, func(a, b order.Order) int { return slices.Compare(b.ID[:], a.ID[:]) })

	if err := readLines(ctx, q, orders); err != nil {
		return nil, err
	}

	return orders, readSteps(ctx, q, orders)
}

type stepKey struct {
	orderID uuid.UUID
	name    order.StepName
}

// readSteps derives the orders' steps from the ledgers and the queue.
func readSteps(ctx context.Context, q Querier, orders []order.Order) error {
	if len(orders) == 0 {
		return nil
	}

	ids := idsOf(orders)

	effects, err := readEffects(ctx, q, ids)
	if err != nil {
		return err
	}

	runs, err := readRuns(ctx, q, ids)
	if err != nil {
		return err
	}

	attention, err := needAttention(ctx, q, ids)
	if err != nil {
		return err
	}

	for i := range orders {
		o := &orders[i]
		o.Attention = attention[o.ID]

		// An order that is over has no stock to move any more. If that is why it is over, the step has run.
		if key := (stepKey{o.ID, order.Inventory}); o.Status.Final() && effects[key] == nil {
			effects[key] = &order.Effect{At: o.UpdatedAt, Void: o.Status != order.Rejected}
		}

		for _, name := range []order.StepName{order.Inventory, order.Points, order.Notification} {
			key := stepKey{o.ID, name}
			o.Steps = append(o.Steps, order.StepOf(name, effects[key], runs[key]))
		}
	}

	return nil
}

// readEffects reads what the ledgers say of the orders' steps.
func readEffects(ctx context.Context, q Querier, ids []uuid.UUID) (map[stepKey]*order.Effect, error) {
	rows, err := q.Query(ctx, `
		SELECT order_id, 'inventory', max(at), sum(CASE kind WHEN 'deduct' THEN quantity ELSE -quantity END) = 0
		FROM stock_movements
		WHERE order_id = ANY($1)
		GROUP BY order_id
		UNION ALL
		SELECT order_id, 'points', max(at), sum(points) = 0
		FROM points_entries
		WHERE order_id = ANY($1)
		GROUP BY order_id
		UNION ALL
		SELECT order_id, 'notification', at, false
		FROM notifications
		WHERE order_id = ANY($1)
			AND template = 'created'`, ids)
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}

	var (
		key  stepKey
		at   time.Time
		void bool
	)

	effects := map[stepKey]*order.Effect{}

	_, err = pgx.ForEachRow(rows, []any{&key.orderID, &key.name, &at, &void}, func() error {
		effects[key] = &order.Effect{At: at, Void: void}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}

	return effects, nil
}

// readRuns reads what the queue says of the orders' steps: the newest job of each
// that lives or died. Of those that died, the dead letters know; those that
// completed have left their effect.
func readRuns(ctx context.Context, q Querier, ids []uuid.UUID) (map[stepKey]*order.Run, error) {
	rows, err := q.Query(ctx, `
		SELECT run.order_id, run.kind, run.state, run.attempt, run.error
		FROM (
			SELECT o.id AS order_id, j.id AS job_id, j.kind, j.args, j.state::text, j.attempt::int,
				coalesce(j.errors[array_upper(j.errors, 1)]->>'error', '') AS error, true AS queued
			FROM unnest($1::uuid[]) AS o (id)
			CROSS JOIN LATERAL (
				SELECT id, kind, args, state, attempt, errors
				FROM live_jobs
				WHERE unique_key = ANY(job_keys(o.id))
				OFFSET 0 -- one look an order, whatever the planner knows of the queue
			) AS j
			UNION ALL
			SELECT order_id, job_id, kind, args, 'discarded', attempts, error, false
			FROM dead_letters
			WHERE order_id = ANY($1)
		) AS run
		WHERE run.kind IN ('inventory', 'points')
			OR run.kind = 'notification' AND run.args->>'template' = 'created'
		ORDER BY run.job_id, run.queued`, ids)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}

	var (
		key stepKey
		run order.Run
	)

	runs := map[stepKey]*order.Run{}

	_, err = pgx.ForEachRow(rows, []any{&key.orderID, &key.name, &run.State, &run.Attempts, &run.LastError}, func() error {
		newest := run
		runs[key] = &newest

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}

	return runs, nil
}
