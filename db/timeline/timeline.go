// Package timeline reads what happened to an order, from all tables that have a part of it.
package timeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Type says what an entry is.
type Type string

// The types, in the order in which entries of one moment are listed.
const (
	Placed     Type = "placed"
	Attempt    Type = "attempt"     // of a job, with its error
	Payment    Type = "payment"     // ledger
	Step       Type = "step"        // ledger: a step was done, or undone
	Status     Type = "status"      // the order went to another status
	DeadLetter Type = "dead_letter" // a job was given up
	Attention  Type = "attention"   // a dead letter needs an operator
	Redrive    Type = "redrive"     // a redrive of a dead letter, and its outcome
	Resolved   Type = "resolved"    // a dead letter was resolved
	Event      Type = "event"       // anything else that was done to the order
	Delivery   Type = "delivery"    // an event was sent to another service, or will be sent again
)

// Types lists the types.
func Types() []Type {
	return []Type{Placed, Attempt, Payment, Step, Status, DeadLetter, Attention, Redrive, Resolved, Event, Delivery}
}

// An Entry is something that happened to an order.
type Entry struct {
	At     time.Time
	Type   Type
	Step   order.StepName // that it belongs to; empty for none
	Actor  string         // empty when the system did it
	Detail map[string]any // the fields depend on the type; numbers are json.Number
}

// Read lists what happened to an order, in the order of time: the newest limit entries.
// [order.NotFound] when there is no such order. It is one statement, so all entries
// are of one snapshot.
//
// An attempt's error comes from the queue while the job is live, then from the dead
// letter. A job that succeeded in the end is listed with its effect only: to find its
// attempts by the order would take an index that each job must be written to.
func Read(ctx context.Context, q db.Querier, id uuid.UUID, limit int) ([]Entry, error) {
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

func entryOf(row pgx.CollectableRow) (e Entry, err error) {
	var (
		kind   string
		detail []byte
	)

	if err := row.Scan(&e.At, &e.Type, &kind, &e.Actor, &detail); err != nil {
		return e, err
	}

	decoder := json.NewDecoder(bytes.NewReader(detail))
	decoder.UseNumber() // a float would write 1e+06

	if err := decoder.Decode(&e.Detail); err != nil {
		return e, fmt.Errorf("decode detail: %w", err)
	}

	e.At = e.At.UTC()

	if step, declared := order.StepOf(order.StepName(kind)); declared {
		e.Step = step.Name
	}

	return e, nil
}

// timeline has a branch for each source. rank orders what one transaction wrote at one
// moment, as it happened: a step is done and moves the order; or the order ends, its steps
// are undone, the message that it was placed is sent if it was not, and then the message
// that it has ended. kind is the job's, which for a step is the step's name.
const timeline = `
	WITH jobs AS (
		SELECT j.id, o.kind, j.state, j.attempt, j.attempted_at, j.errors, j.metadata
		FROM order_jobs AS o
		CROSS JOIN LATERAL (
			SELECT id, state, attempt, attempted_at, errors, metadata
			FROM live_jobs
			WHERE unique_key = ANY(o.unique_keys)
			OFFSET 0
		) AS j
		WHERE o.order_id = $1
	), letters AS (
		SELECT job_id, kind, dead_at, attempts, code, errors, reason, attention_at, resolved_at, resolution, resolved_by, note
		FROM dead_letters
		WHERE order_id = $1
	), attempts AS (
		SELECT j.id AS job_id, j.kind, e.error, failure_code(j.metadata, e.error ->> 'attempt') AS code
		FROM jobs AS j
		CROSS JOIN unnest(j.errors) AS e (error)
		UNION ALL
		SELECT l.job_id, l.kind, e.error, coalesce(e.error ->> 'code', 'internal')
		FROM letters AS l
		CROSS JOIN jsonb_array_elements(l.errors) AS e (error)
		WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = l.job_id)
	), effects AS (
		SELECT step, template, at, void, jsonb_agg(detail ORDER BY detail) AS rows
		FROM step_effects
		WHERE order_id = $1
			AND ledger <> 'orders'
		GROUP BY step, template, at, void
	), entries (at, rank, type, kind, actor, detail) AS (
		SELECT created_at, 1, 'placed', '', client, jsonb_build_object('total', total, 'currency', currency, 'hold_until', hold_until)
		FROM orders
		WHERE id = $1
		UNION ALL
		SELECT (error ->> 'at')::timestamptz, 2, 'attempt', kind, '',
			jsonb_build_object('job_id', job_id, 'kind', kind, 'attempt', error -> 'attempt', 'code', code)
		FROM attempts
		UNION ALL
		SELECT attempted_at, 2, 'attempt', kind, '', jsonb_build_object('job_id', id, 'kind', kind, 'attempt', attempt)
		FROM jobs
		WHERE state = 'running'
			AND attempted_at IS NOT NULL
		UNION ALL
		SELECT at, 3, 'payment', '',
			coalesce((
				SELECT actor
				FROM operator_actions
				WHERE target_id = $1::uuid::text
					AND target_kind = 'order'
					AND action = 'pay_order'
					AND operator_actions.at = payments.at
				LIMIT 1
			), ''),
			jsonb_strip_nulls(jsonb_build_object(
				'reference', reference, 'amount', amount, 'currency', currency, 'kept', nullif(kept, false)))
		FROM payments
		WHERE order_id = $1
		UNION ALL
		SELECT at, 10, 'payment', '', '',
			jsonb_strip_nulls(jsonb_build_object('reference', reference, 'amount', amount, 'currency', currency, 'refund', cause))
		FROM refunds
		WHERE order_id = $1
		UNION ALL
		SELECT at,
			CASE WHEN void THEN 7 WHEN template = '' THEN 4 WHEN template IN (SELECT template FROM steps) THEN 8 ELSE 9 END,
			'step', step, '',
			jsonb_build_object('step', step, 'void', void, 'rows', rows)
		FROM effects
		UNION ALL
		SELECT effects.at, 6, 'status', '', '',
			jsonb_build_object('status', CASE WHEN orders.hold_until IS NULL OR payments.kept THEN 'confirmed' ELSE 'awaiting_payment' END)
		FROM effects
		JOIN orders ON orders.id = $1
		LEFT JOIN payments ON payments.order_id = $1
		WHERE step = 'inventory'
			AND NOT void
		UNION ALL
		SELECT at, 6, 'status', '', '', jsonb_build_object('status', 'confirmed')
		FROM payments
		WHERE order_id = $1
			AND NOT kept
		UNION ALL
		SELECT at, 6, 'status', '', actor, detail || jsonb_build_object('status', type)
		FROM order_events
		WHERE order_id = $1
			AND type IN ('rejected', 'cancelled', 'expired', 'failed')
		UNION ALL
		SELECT at, 13, 'event', coalesce(detail ->> 'step', detail ->> 'kind', ''), actor, detail || jsonb_build_object('name', type)
		FROM order_events
		WHERE order_id = $1
			AND type NOT IN ('rejected', 'cancelled', 'expired', 'failed', 'redrive', 'resolve') -- the last two are in the letters
		UNION ALL
		SELECT at, 13, 'event', coalesce((SELECT kind FROM letters WHERE job_id::text = target_id), ''), actor,
			jsonb_build_object('name', action, 'job_id', target_id::bigint)
		FROM operator_actions
		WHERE order_id = $1
			AND target_kind = 'job'
		UNION ALL
		SELECT dead_at, 10, 'dead_letter', kind, '',
			jsonb_build_object('job_id', job_id, 'kind', kind, 'attempts', attempts, 'code', code, 'reason', reason)
		FROM letters
		UNION ALL
		SELECT attention_at, 11, 'attention', kind, '', jsonb_build_object('job_id', job_id, 'kind', kind)
		FROM letters
		WHERE attention_at IS NOT NULL
		UNION ALL
		SELECT r.at, 12, 'redrive', l.kind, r.actor,
			jsonb_build_object('job_id', r.job_id, 'kind', l.kind, 'outcome', r.outcome, 'new_job_id', r.new_job_id, 'note', r.note)
		FROM letters AS l
		JOIN redrives AS r ON r.job_id = l.job_id
		UNION ALL
		SELECT resolved_at, 13, 'resolved', kind, resolved_by,
			jsonb_build_object('job_id', job_id, 'kind', kind, 'resolution', resolution, 'note', note)
		FROM letters
		WHERE resolved_at IS NOT NULL
			AND NOT (
				resolution = 'redriven'
				AND EXISTS (SELECT FROM redrives WHERE redrives.job_id = letters.job_id AND outcome = 'redriven')
			)
		UNION ALL
		-- Of letters that were opened again since. How a letter is resolved now is in the letter.
		SELECT at, 13, 'resolved', coalesce(detail ->> 'kind', ''), actor, detail
		FROM order_events
		WHERE order_id = $1
			AND type = 'resolve'
			AND NOT EXISTS (SELECT FROM letters WHERE job_id::text = detail ->> 'job_id' AND resolved_at = order_events.at)
		UNION ALL
		SELECT updated_at, 14, 'delivery', '', '',
			jsonb_build_object('delivery', id,
				'channel', (SELECT kind FROM endpoints WHERE endpoints.id = endpoint_id), 'endpoint', endpoint_id,
				'event', event_type, 'state', state, 'attempts', attempts,
				'status', nullif(status, 0))
		FROM deliveries
		WHERE order_id = $1
	)
	SELECT at, type, kind, actor, detail
	FROM entries
	ORDER BY at DESC, rank DESC, kind DESC, detail::text DESC
	LIMIT $2`
