package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/db/liveness"
	"orders/jobs"
	"orders/order"
)

// quarantine cancels a job whose process has died [jobs.MaxDeaths] times while the
// job ran. Another attempt would end all other jobs of that process once more.
//
// When a process dies, all jobs that it ran are suspects, and each counts a death. A job
// that is one death short of the limit runs marked, and a process runs one marked job at
// a time. Only a marked job counts its last death. Innocent jobs end, and so are cleared.
//
//	deaths 0, 1 ─► runs
//	deaths 2 ────► runs marked, one at a time in a process; the others snooze
//	deaths 3 ────► cancelled before its args are read: a dead letter of reason poison
//
// A job that orders share is left to its handler, which gives each of its orders a job of
// its own after the first death. So only the order that is the cause comes this far. A job that
// delivers runs nearly always, and so it is there when a process dies of something else.
type quarantine struct {
	river.MiddlewareDefaults

	pool  *pgxpool.Pool
	alone chan struct{} // holds the one suspect that runs
}

// Work runs the job, snoozes it or cancels it.
func (q *quarantine) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	if jobs.Shared(job.Kind) || job.Queue == jobs.QueueDelivery {
		return next(ctx)
	}

	switch n := deaths(job.Metadata); {
	case n >= jobs.MaxDeaths:
		return river.JobCancel(order.Errorf(quarantined, "%d processes ended while it ran", n))
	case n == jobs.MaxDeaths-1:
		return q.workAlone(ctx, job, next)
	default:
		return next(ctx)
	}
}

func (q *quarantine) workAlone(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	const least, spread = 100 * time.Millisecond, 900 * time.Millisecond

	select {
	case q.alone <- struct{}{}:
		defer func() { <-q.alone }()
	default:
		return river.JobSnooze(least + rand.N(spread)) //nolint:gosec // no secret
	}

	if err := liveness.MarkAlone(ctx, q.pool, job.ID, true); err != nil {
		return jobError(err)
	}

	err := next(ctx)

	// The attempt has ended, whatever its outcome. River completes the job later, together with others.
	if unmarked := liveness.MarkAlone(context.WithoutCancel(ctx), q.pool, job.ID, false); err == nil {
		err = unmarked
	}

	return err
}

// deaths counts how often a job was rescued from a process that had ended: by River's
// rescuer, or by another worker. metadata_count reads each of the counts in SQL.
func deaths(metadata []byte) int {
	const nothing = "{}" // the metadata of nearly all jobs

	if string(metadata) == nothing {
		return 0
	}

	var counts map[string]count

	_ = json.Unmarshal(metadata, &counts) // metadata that is no object holds no counts, and must not keep the job from running

	return int(counts[jobs.MetaRescuedByRiver] + counts[jobs.MetaRescued])
}

// count is a number in a job's metadata; 0 for any other value. metadata_count is
// the same in SQL.
type count int

// UnmarshalJSON never fails: operators may write anything into metadata.
func (c *count) UnmarshalJSON(data []byte) error {
	const digits = 6 // at most

	text := string(bytes.Trim(data, `"`))

	if n, err := strconv.ParseUint(text, 10, 32); err == nil && len(text) <= digits {
		*c = count(n)
	}

	return nil
}
