package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Orders reads orders with lines and steps, the newest first; ids that no order has
// are skipped.
func Orders(ctx context.Context, q Querier, ids []uuid.UUID) ([]order.Order, error) {
	return readOrders(ctx, q, `id = ANY($1) ORDER BY id DESC`, ids)
}

// Order reads one order with lines and steps; [order.NotFound] when there is none.
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

// readOrders reads the orders that a condition selects, in its order, with lines and steps.
func readOrders(ctx context.Context, q Querier, condition string, args ...any) ([]order.Order, error) {
	rows, err := q.Query(ctx, `
		SELECT `+orderColumns+`
		FROM orders
		WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}

	orders, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[order.Order])
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}

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

	attempts, err := readAttempts(ctx, q, ids)
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

		for _, step := range order.Steps() {
			key := stepKey{o.ID, step.Name}
			o.Steps = append(o.Steps, order.ProgressOf(step.Name, effects[key], attempts[key]))
		}
	}

	return nil
}

// readEffects reads what the ledgers say of the orders' steps. An order that is
// older than a step is settled without it.
func readEffects(ctx context.Context, q Querier, ids []uuid.UUID) (map[stepKey]*order.Effect, error) {
	rows, err := q.Query(ctx, `
		SELECT e.order_id, e.step, max(e.at), bool_or(e.void)
		FROM step_effects AS e
		JOIN steps AS s ON s.name = e.step AND s.template = e.template
		WHERE e.order_id = ANY($1)
		GROUP BY e.order_id, e.step
		UNION ALL
		SELECT o.id, s.name, s.since, true
		FROM unnest($1::uuid[]) AS o (id)
		JOIN steps AS s ON o.id < uuid_at(s.since)`, ids)
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
		if effects[key] == nil {
			effects[key] = &order.Effect{At: at, Void: void}
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}

	return effects, nil
}

// OlderThanSteps lists, of each of the orders, the steps that it settles without: those
// that are due only for orders placed since a later time.
func OlderThanSteps(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID][]order.StepName, error) {
	rows, err := q.Query(ctx, `
		SELECT o.id, s.name
		FROM unnest($1::uuid[]) AS o (id)
		JOIN steps AS s ON o.id < uuid_at(s.since)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read steps' begin: %w", err)
	}

	var key stepKey

	older := map[uuid.UUID][]order.StepName{}

	_, err = pgx.ForEachRow(rows, []any{&key.orderID, &key.name}, func() error {
		older[key.orderID] = append(older[key.orderID], key.name)

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read steps' begin: %w", err)
	}

	return older, nil
}

// readAttempts reads what the queue says of the orders' steps: the newest job of
// each step that is live or dead. Dead letters know the dead jobs; completed jobs
// have left their effect.
func readAttempts(ctx context.Context, q Querier, ids []uuid.UUID) (map[stepKey]*order.Attempt, error) {
	rows, err := q.Query(ctx, `
		SELECT order_id, step, attempt, code, dead
		FROM (
			SELECT o.order_id, o.kind AS step, j.id AS job_id, j.attempt::int, j.code, false AS dead
			FROM order_jobs AS o
			CROSS JOIN LATERAL (
				SELECT id, attempt, code
				FROM live_jobs
				WHERE unique_key = ANY(o.unique_keys)
				OFFSET 0 -- one index look-up a step, also if the planner's statistics of the queue are old
			) AS j
			WHERE o.order_id = ANY($1)
			UNION ALL
			SELECT l.order_id, s.name, l.job_id, l.attempts, l.code, true
			FROM dead_letters AS l
			JOIN steps AS s ON s.name = l.kind AND s.template = coalesce(l.args ->> 'template', '')
			WHERE l.order_id = ANY($1)
		) AS newest
		ORDER BY job_id, dead DESC`, ids)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}

	var (
		key     stepKey
		attempt order.Attempt
	)

	attempts := map[stepKey]*order.Attempt{}

	_, err = pgx.ForEachRow(rows, []any{&key.orderID, &key.name, &attempt.Number, &attempt.Code, &attempt.Dead}, func() error {
		newest := attempt
		attempts[key] = &newest

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}

	return attempts, nil
}

// needAttention returns those of the orders that have an open letter which needs an operator.
func needAttention(ctx context.Context, q Querier, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := q.Query(ctx, `
		SELECT DISTINCT order_id
		FROM dead_letters
		WHERE order_id = ANY($1)
			AND resolved_at IS NULL
			AND attention_at IS NOT NULL`, ids)
	if err != nil {
		return nil, fmt.Errorf("read attention: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read attention: %w", err)
	}

	need := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		need[id] = true
	}

	return need, nil
}
