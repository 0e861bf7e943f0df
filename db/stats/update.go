package stats

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orders/db"
	"orders/db/pipeline"
	"orders/db/watermark"
)

const (
	// grace is how long a minute stays open for orders that got their id in it and are not
	// committed yet: they wait for a group commit, which may have to be repeated.
	grace = 30 * time.Second
	// maxOpen is how long an open transaction keeps minutes from being final. This program's
	// end within seconds. Without a bound, one forgotten transaction would make each update
	// count all minutes since.
	maxOpen = 5 * time.Minute
	// history is what the first update counts of the time before.
	history = 48 * time.Hour
)

// A Piece is the minutes that one [Update] counted.
type Piece struct {
	From, To time.Time // To is not part of it
	Done     bool      // it reaches the present
}

// Update counts the next minutes, at most as many as in most, and moves watermark stats behind
// those that are final. Minutes behind the watermark are not counted again; those after it are,
// as often as Update comes by. from continues a run; the zero time begins one at the watermark.
//
// Two updates at the same time wait for each other.
func Update(ctx context.Context, tx pgx.Tx, from time.Time, most time.Duration) (Piece, error) {
	mark, _, err := watermark.Lock(ctx, tx, "stats", true)
	if err != nil {
		return Piece{}, err
	}

	p, final, err := nextPiece(ctx, tx, mark, from, most)
	if err != nil {
		return p, err
	}

	if err := count(ctx, tx, p); err != nil {
		return p, err
	}

	// A run that went past what is final does not move the mark any more: it must not skip a minute.
	if continues := from.IsZero() || !from.After(mark.At.Time); !continues || !final.After(mark.At.Time) {
		return p, nil
	}

	mark.At = pgtype.Timestamptz{Time: final, Valid: true}

	return p, mark.Move(ctx, tx)
}

// nextPiece finds the minutes to count, and up to when they are final.
func nextPiece(ctx context.Context, q db.Querier, mark watermark.Mark, from time.Time, most time.Duration) (
	p Piece, final time.Time, err error,
) {
	var continued *time.Time
	if !from.IsZero() {
		continued = &from
	}

	err = q.QueryRow(ctx, `
		WITH begin AS (
			SELECT date_trunc('minute', coalesce(
				greatest($2, CASE WHEN isfinite($1::timestamptz) THEN greatest($1, now() - $6::interval) END),
				now() - $5::interval
			), 'UTC') AS at
		), piece AS (
			SELECT at, least(at + $3::interval, date_trunc('minute', now(), 'UTC') + interval '1 minute') AS upto
			FROM begin
		), open AS (
			SELECT min(xact_start) AS since
			FROM pg_stat_activity
			WHERE datname = current_database()
				AND backend_type = 'client backend'
				AND pid <> pg_backend_pid()
				AND (backend_xid IS NOT NULL OR xact_start > now() - interval '1 minute')
		)
		SELECT
			at,
			upto,
			upto > now(),
			least(upto, date_trunc('minute', greatest(least(now(), open.since), now() - $7::interval) - $4::interval, 'UTC'))
		FROM piece, open`, mark.At, continued, most, grace, history, Retention, maxOpen).Scan(&p.From, &p.To, &p.Done, &final)
	if err != nil {
		return p, final, fmt.Errorf("find minutes to count: %w", err)
	}

	return p, final, nil
}

// count writes the counts of a piece. An order is complete once each step that a confirmed order must have has its first
// effect. Nearly all orders do all steps in one piece, and need no look-up; slow finds those that were at work before.
func count(ctx context.Context, tx pgx.Tx, p Piece) error { //nolint:funlen // one statement
	if err := pipeline.Exec(ctx, tx, "give counting memory", `SELECT set_config('work_mem', '64MB', true)`); err != nil {
		return err
	}

	return pipeline.Exec(ctx, tx, "count minutes", `
		WITH due AS (
			SELECT name AS step, template, after_payment, uuid_at(coalesce(since, 'epoch')) AS first_id
			FROM steps
			WHERE 'confirmed' = ANY(due_in)
		), done AS MATERIALIZED (
			SELECT order_id, step, template, min(at) AS at
			FROM step_effects
			WHERE at >= $1
				AND at < $2
				AND NOT void
				AND ledger <> 'orders'
			GROUP BY order_id, step, template
		), touched AS MATERIALIZED (
			SELECT done.order_id, count(*) AS steps, max(done.at) AS at
			FROM done
			JOIN due USING (step, template)
			GROUP BY done.order_id
		), complete AS MATERIALIZED (
			SELECT order_id, at
			FROM touched
			WHERE steps = (SELECT count(*) FROM due)
			UNION ALL
			SELECT order_id, slow.at
			FROM touched
			CROSS JOIN LATERAL (
				SELECT max(first.at) AS at, bool_and(first.at IS NOT NULL) AS all_done
				FROM due
				CROSS JOIN LATERAL (
					SELECT min(e.at) AS at
					FROM step_effects AS e
					WHERE e.order_id = touched.order_id
						AND e.step = due.step
						AND e.template = due.template
						AND NOT e.void
						AND e.ledger <> 'orders'
					OFFSET 0
				) AS first
				WHERE due.first_id <= touched.order_id
				OFFSET 0
			) AS slow
			WHERE steps < (SELECT count(*) FROM due)
				AND slow.all_done
				AND slow.at >= $1
				AND slow.at < $2
		), ended AS MATERIALIZED (
			SELECT
				order_id,
				at,
				type,
				(
					SELECT bool_and(EXISTS (
						SELECT
						FROM step_effects AS e
						WHERE e.order_id = order_events.order_id
							AND e.step = due.step
							AND e.template = due.template
							AND NOT e.void
							AND e.ledger <> 'orders'
						OFFSET 0
					))
					FROM due
					WHERE due.first_id <= order_id
				) AS was_complete
			FROM order_events
			WHERE at >= $1
				AND at < $2
				AND type IN ('rejected', 'cancelled', 'expired', 'failed')
		), happened AS (
			SELECT date_trunc('minute', time_of_uuid(id), 'UTC') AS minute, 'placed' AS what
			FROM orders
			WHERE id >= uuid_at($1)
				AND id < uuid_at($2)
			UNION ALL
			SELECT date_trunc('minute', at, 'UTC'), 'settled' FROM complete
			UNION ALL
			SELECT date_trunc('minute', at, 'UTC'), 'settled' FROM ended WHERE NOT was_complete
			UNION ALL
			SELECT date_trunc('minute', at, 'UTC'), type FROM ended
		), counted AS (
			SELECT minute, what, count(*) AS n
			FROM happened
			GROUP BY minute, what
		), minutes AS (
			INSERT INTO stats_minutes (minute, placed, settled, rejected, cancelled, expired, failed)
			SELECT
				minute,
				coalesce(sum(n) FILTER (WHERE what = 'placed'), 0),
				coalesce(sum(n) FILTER (WHERE what = 'settled'), 0),
				coalesce(sum(n) FILTER (WHERE what = 'rejected'), 0),
				coalesce(sum(n) FILTER (WHERE what = 'cancelled'), 0),
				coalesce(sum(n) FILTER (WHERE what = 'expired'), 0),
				coalesce(sum(n) FILTER (WHERE what = 'failed'), 0)
			FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', interval '1 minute') AS minute
			LEFT JOIN counted USING (minute)
			GROUP BY minute
			ON CONFLICT (minute) DO UPDATE
			SET placed = EXCLUDED.placed,
				settled = EXCLUDED.settled,
				rejected = EXCLUDED.rejected,
				cancelled = EXCLUDED.cancelled,
				expired = EXCLUDED.expired,
				failed = EXCLUDED.failed
		), took AS (
			SELECT step, order_id, at, after_payment AS paid_first
			FROM done
			JOIN due USING (step, template)
			UNION ALL
			SELECT $4, order_id, at, true
			FROM complete
			UNION ALL
			SELECT $4, order_id, at, false
			FROM ended
			WHERE type = 'rejected'
		), buckets AS (
			SELECT
				date_trunc('minute', at, 'UTC') AS minute,
				step,
				width_bucket(1000 * date_part('epoch', at - time_of_uuid(order_id)), $3::float8[]) AS bucket,
				count(*) AS n
			FROM took
			-- A held order waits for its payment: that is no latency of ours.
			WHERE NOT (paid_first AND EXISTS (SELECT FROM payments WHERE payments.order_id = took.order_id OFFSET 0))
			GROUP BY 1, 2, 3
		)
		INSERT INTO stats_latencies (minute, step, orders)
		SELECT minute, step, array_agg(coalesce(n, 0) ORDER BY bucket)
		FROM (SELECT DISTINCT minute, step FROM buckets) AS histograms
		CROSS JOIN generate_series(0, cardinality($3::float8[])) AS bucket
		LEFT JOIN buckets USING (minute, step, bucket)
		GROUP BY minute, step
		ON CONFLICT (minute, step) DO UPDATE
		SET orders = EXCLUDED.orders`, p.From, p.To, boundsMS(), Settle)
}
