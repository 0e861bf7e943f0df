package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/db"
	"orders/jobs"
)

// quarantine keeps jobs from running that have killed their process again and
// again: each would take all others of that process with it once more.
//
// When a process dies, all that it ran is suspected. A job that one more death
// would condemn therefore runs alone of its kind, marked: only the marked one is
// accused when the process dies, and those who were in bad company are cleared by
// getting through.
//
//	deaths 0, 1 ─► runs
//	deaths 2 ────► runs marked, one at a time in a process; the others snooze
//	deaths 3 ────► cancelled before its args are read: a dead letter of reason poison
type quarantine struct {
	river.MiddlewareDefaults

	pool  *pgxpool.Pool
	alone chan struct{} // holds the one suspect that runs
}

// Work lets a job through, or does not.
func (q *quarantine) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	switch n := deaths(job.Metadata); {
	case n >= jobs.MaxDeaths:
		return river.JobCancel(fmt.Errorf("quarantined: %d processes ended while it ran", n))
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

	if err := db.MarkAlone(ctx, q.pool, job.ID, true); err != nil {
		return outcome(db.Error(err))
	}

	err := next(ctx)

	// It got through, whatever came of it; River completes it some time later, with others.
	if unmarked := db.MarkAlone(context.WithoutCancel(ctx), q.pool, job.ID, false); err == nil {
		err = unmarked
	}

	return err
}

// deaths is how often a job was taken back from a process that had ended: by
// River's rescuer, or by another worker.
func deaths(metadata []byte) int {
	const nothing = "{}" // as nearly all jobs have it

	if string(metadata) == nothing {
		return 0
	}

	var counts struct {
		Rescued  int `json:"river:rescue_count"`
		Returned int `json:"orders:returned"`
	}

	if err := json.Unmarshal(metadata, &counts); err != nil {
		return 0 // somebody wrote something else there; that is no reason not to work
	}

	return counts.Rescued + counts.Returned
}
