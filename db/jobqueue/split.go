package jobqueue

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/jobs"
)

// schedulerEvery is how often River's leader makes retryable jobs available. A job whose
// retry is due before is available already, for later, as River does it.
const schedulerEvery = 5 * time.Second

// A Part is the work for one order that leaves a shared job and gets a job of its own.
type Part struct {
	Attempt // of the shared job

	OrderID uuid.UUID
	Failure *Failure // of the attempt, by this order; nil if the attempt does not count for it
}

// A Failure is how an attempt failed.
type Failure struct {
	Error  string
	Trace  string
	Code   string
	Class  string
	Cancel bool          // no further attempt can succeed
	Wait   time.Duration // before the next attempt
}

// Split gives parts of shared jobs of a step jobs of their own, with the step's template. These continue where the
// shared job has been: they have its queue, its attempts, its errors and, with a
// failure, that attempt and its error. Deaths are not theirs, as any order of the shared job
// may have been the cause. A part that may not be tried again becomes a dead job, of which a
// trigger keeps a dead letter.
//
// Nothing is done for a part whose step the ledger has, or whose order has a live job of its own.
func Split(ctx context.Context, tx pgx.Tx, step, template string, parts []Part) error {
	if len(parts) == 0 {
		return nil
	}

	args := append([]any{step, template, jobs.MetaFailures, splitOff, schedulerEvery}, arraysOf(parts)...)

	return pipeline.Exec(ctx, tx, "give orders of a shared job jobs of their own", split, args...)
}

// splitOff is the metadata of a shared job that its parts do not take along.
var splitOff = []string{jobs.MetaOrders, jobs.MetaRescued, jobs.MetaRescuedByRiver, jobs.MetaAlone}

// split locks the shared jobs: another worker may rescue one at this moment. OFFSET 0 makes
// the planner use one look-up a part.
const split = `
	INSERT INTO river_job (
		kind, args, unique_key, state, attempt, scheduled_at, finalized_at, errors, metadata,
		queue, priority, max_attempts, attempted_at, attempted_by, tags, unique_states
	)
	SELECT
		$1, job_args(p.order_id, $2), job_key($1, p.order_id, $2),
		CASE
			WHEN NOT p.failed THEN 'available'
			WHEN p.cancel THEN 'cancelled'
			WHEN shared.attempt >= shared.max_attempts THEN 'discarded'
			WHEN p.wait < $5::interval THEN 'available'
			ELSE 'retryable'
		END::river_job_state,
		CASE WHEN p.failed THEN shared.attempt ELSE shared.attempt - 1 END,
		CASE WHEN p.failed THEN now() + p.wait ELSE shared.scheduled_at END,
		CASE WHEN p.failed AND (p.cancel OR shared.attempt >= shared.max_attempts) THEN now() END,
		CASE WHEN p.failed
			THEN array_append(shared.errors, jsonb_build_object('at', now(), 'attempt', shared.attempt, 'error', p.error, 'trace', p.trace))
			ELSE shared.errors
		END,
		(shared.metadata - $4::text[]) || CASE WHEN p.failed
			THEN jsonb_build_object($3::text, coalesce(shared.metadata -> $3, '{}')
				|| jsonb_build_object(shared.attempt::text, jsonb_build_object('code', p.code, 'class', p.class)))
			ELSE '{}'
		END,
		shared.queue, shared.priority, shared.max_attempts, shared.attempted_at, shared.attempted_by, shared.tags, shared.unique_states
	FROM unnest(
		$6::bigint[], $7::int[], $8::uuid[], $9::bool[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bool[], $15::interval[]
	) AS p (job_id, attempt, order_id, failed, error, trace, code, class, cancel, wait)
	JOIN river_job AS shared ON shared.id = p.job_id AND shared.attempt = p.attempt AND shared.state = 'running'
	WHERE NOT EXISTS (
		SELECT
		FROM step_effects
		WHERE step_effects.order_id = p.order_id
			AND step_effects.step = $1
			AND step_effects.template = $2
		OFFSET 0
	)
	FOR NO KEY UPDATE OF shared
	ON CONFLICT DO NOTHING`

// arraysOf are the parts as arguments of unnest.
func arraysOf(parts []Part) []any {
	n := len(parts)
	ids, numbers, orders := make([]int64, n), make([]int, n), make([]uuid.UUID, n)
	failed, cancel, waits := make([]bool, n), make([]bool, n), make([]time.Duration, n)
	errors, traces, codes, classes := make([]string, n), make([]string, n), make([]string, n), make([]string, n)

	for i, p := range parts {
		ids[i], numbers[i], orders[i] = p.JobID, p.Number, p.OrderID

		if f := p.Failure; f != nil {
			failed[i], cancel[i], waits[i] = true, f.Cancel, f.Wait
			errors[i], traces[i], codes[i], classes[i] = storable(f.Error), storable(f.Trace), f.Code, f.Class
		}
	}

	return []any{ids, numbers, orders, failed, errors, traces, codes, classes, cancel, waits}
}

// storable leaves out what Postgres cannot store in a text.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
}
