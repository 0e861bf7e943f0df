package db

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// Timeline lists what happened to an order in the order of time, the newest limit
// of it; [order.NotFound] when there is no such order. It is one statement, and so
// of one moment.
//
// An attempt's error comes from the queue while the job lives, then from the dead
// letter. Of jobs that succeeded in the end only the effect is told: to find their
// attempts by the order would take an index that each of them must go into.
func Timeline(ctx context.Context, q Querier, id uuid.UUID, limit int) ([]order.Entry, error) {
	rows, err := q.Query(ctx, timeline, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read timeline: %w", err)
	}

	entries, err := pgx.CollectRows(rows, entryOf)
	if err != nil {
		return nil, fmt.Errorf("read timeline: %w", err)
	}

	if len(entries) == 0 {
		return nil, order.Errorf(order.NotFound, "There is no order %s.", id)
	}

	slices.Reverse(entries)

	return entries, nil
}

func entryOf(row pgx.CollectableRow) (e order.Entry, err error) {
	var (
		kind   string
		detail []byte
		at     time.Time
	)

	if err := row.Scan(&at, &e.Type, &kind, &e.Actor, &detail); err != nil {
		return e, err
	}

	decoder := json.NewDecoder(bytes.NewReader(detail))
	decoder.UseNumber() // a float would write 1e+06

	if err := decoder.Decode(&e.Detail); err != nil {
		return e, fmt.Errorf("decode detail: %w", err)
	}

	e.At = at.UTC()

	switch name := order.StepName(kind); name {
	case order.Inventory, order.Points, order.Notification:
		e.Step = name
	}

	e.Word()

	return e, nil
}

// timeline has a branch for each source. rank orders what one transaction wrote
// at one moment; kind is the job's, which for the steps is the step's name.
const timeline = `
	WITH jobs AS (
		SELECT id, kind, state, attempt, attempted_at, errors
		FROM live_jobs
		WHERE unique_key = ANY(job_keys($1))
	), letters AS (
		SELECT job_id, kind, dead_at, attempts, error, errors, reason, attention_at, resolved_at, resolution, resolved_by, note
		FROM dead_letters
		WHERE order_id = $1
	), attempts AS (
		SELECT j.id AS job_id, j.kind, e.error
		FROM jobs AS j
		CROSS JOIN unnest(j.errors) AS e (error)
		UNION ALL
		SELECT l.job_id, l.kind, e.error
		FROM letters AS l
		CROSS JOIN jsonb_array_elements(l.errors) AS e (error)
		WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = l.job_id)
	), stock AS (
		SELECT kind, max(at) AS at, count(*) AS lines, sum(quantity) AS quantity
		FROM stock_movements
		WHERE order_id = $1
			AND quantity > 0
		GROUP BY kind
	), entries (at, rank, type, kind, actor, detail) AS (
		SELECT created_at, 1, 'placed', '', '', jsonb_build_object('total', total, 'currency', currency, 'hold_until', hold_until)
		FROM orders
		WHERE id = $1
		UNION ALL
		SELECT (error ->> 'at')::timestamptz, 2, 'attempt', kind, '',
			jsonb_build_object('job_id', job_id, 'kind', kind, 'attempt', error -> 'attempt', 'error', error ->> 'error')
		FROM attempts
		UNION ALL
		SELECT attempted_at, 2, 'attempt', kind, '', jsonb_build_object('job_id', id, 'kind', kind, 'attempt', attempt)
		FROM jobs
		WHERE state = 'running'
			AND attempted_at IS NOT NULL
		UNION ALL
		SELECT at, 3, 'payment', '', '', jsonb_build_object('reference', reference)
		FROM payments
		WHERE order_id = $1
		UNION ALL
		SELECT at, 4, 'stock', 'inventory', '', jsonb_build_object('kind', kind, 'lines', lines, 'quantity', quantity)
		FROM stock
		UNION ALL
		SELECT at, 5, 'points', 'points', '', jsonb_build_object('kind', kind, 'points', points)
		FROM points_entries
		WHERE order_id = $1
		UNION ALL
		SELECT stock.at, 6, 'status', '', '',
			jsonb_build_object('status', CASE WHEN orders.hold_until IS NULL THEN 'confirmed' ELSE 'awaiting_payment' END)
		FROM stock
		JOIN orders ON orders.id = $1
		WHERE stock.kind = 'deduct'
		UNION ALL
		SELECT at, 6, 'status', '', '', jsonb_build_object('status', 'confirmed')
		FROM payments
		WHERE order_id = $1
		UNION ALL
		SELECT at, 6, 'status', '', actor, detail || jsonb_build_object('status', type)
		FROM order_events
		WHERE order_id = $1
			AND type IN ('rejected', 'cancelled', 'expired', 'failed')
		UNION ALL
		SELECT at, 11, 'event', coalesce(detail ->> 'step', ''), actor, detail || jsonb_build_object('name', type)
		FROM order_events
		WHERE order_id = $1
			AND type NOT IN ('rejected', 'cancelled', 'expired', 'failed', 'redrive', 'resolve') -- the letters tell of the last two
		UNION ALL
		SELECT at, 7, 'notification', 'notification', '', jsonb_build_object('template', template, 'body', body)
		FROM notifications
		WHERE order_id = $1
		UNION ALL
		SELECT dead_at, 8, 'dead-letter', kind, '',
			jsonb_build_object('job_id', job_id, 'kind', kind, 'attempts', attempts, 'error', error, 'reason', reason)
		FROM letters
		UNION ALL
		SELECT attention_at, 9, 'attention', kind, '', jsonb_build_object('job_id', job_id, 'kind', kind)
		FROM letters
		WHERE attention_at IS NOT NULL
		UNION ALL
		SELECT r.at, 10, 'redrive', l.kind, r.actor,
			jsonb_build_object('job_id', r.job_id, 'kind', l.kind, 'outcome', r.outcome, 'new_job_id', r.new_job_id, 'note', r.note)
		FROM letters AS l
		JOIN redrives AS r ON r.job_id = l.job_id
		UNION ALL
		SELECT resolved_at, 11, 'resolved', kind, resolved_by,
			jsonb_build_object('job_id', job_id, 'kind', kind, 'resolution', resolution, 'note', note)
		FROM letters
		WHERE resolved_at IS NOT NULL
			AND NOT (
				resolution = 'redriven'
				AND EXISTS (SELECT FROM redrives WHERE redrives.job_id = letters.job_id AND outcome = 'redriven')
			)
	)
	SELECT at, type, kind, actor, detail
	FROM entries
	ORDER BY at DESC, rank DESC, detail::text DESC
	LIMIT $2`
