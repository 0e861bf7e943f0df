package repair

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/progress"
	"orders/db/watermark"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// A scan looks for open steps along the orders.
type scan struct {
	name  string
	where string        // condition of the orders to look at; empty for all
	cycle bool          // it begins anew when it comes to the end
	limit int           // orders of one run
	grace time.Duration // an order must be this old
}

// firstScan looks at each order once, when it is old enough to have settled.
var firstScan = scan{name: "missing_jobs", grace: 5 * time.Minute}

// laterScans look at pending orders again and, slowly, at all orders, whose jobs may have
// been lost since. A look costs a tenth of a millisecond: with a million jobs waiting,
// scans without a limit took a third of the machine.
var laterScans = []scan{
	{name: "missing_jobs:pending", where: "status = 'pending'", cycle: true, grace: time.Minute, limit: 10_000},
	{name: "missing_jobs:again", cycle: true, grace: 5 * time.Minute, limit: 2_000},
}

// MissingJobs enqueues the jobs of open steps: the due steps that nothing will do. It
// looks at the next orders after its watermark, at most limit; more tells whether there
// may be others. There should be no open steps, so each is recorded as an event of its
// order.
func MissingJobs(ctx context.Context, tx pgx.Tx, queue *flow.Queue, limit int) (enqueued int, more bool, err error) {
	s := firstScan
	s.limit = limit

	enqueued, scanned, err := s.run(ctx, tx, queue)

	return enqueued, scanned == limit, err
}

// MissingJobsAgain enqueues the jobs of open steps, too. It looks again at some of the
// orders that [MissingJobs] has looked at.
func MissingJobsAgain(ctx context.Context, tx pgx.Tx, queue *flow.Queue) (enqueued int, err error) {
	for _, s := range laterScans {
		n, _, err := s.run(ctx, tx, queue)
		if err != nil {
			return 0, err
		}

		enqueued += n
	}

	return enqueued, nil
}

// run looks at the next orders after the scan's watermark. It does nothing while another
// transaction runs the scan.
func (s scan) run(ctx context.Context, tx pgx.Tx, queue *flow.Queue) (enqueued, scanned int, err error) {
	mark, locked, err := watermark.Lock(ctx, tx, s.name, false)
	if err != nil || !locked {
		return 0, 0, err
	}

	now, err := db.Now(ctx, tx)
	if err != nil {
		return 0, 0, err
	}

	ids, err := mark.Orders(ctx, tx, watermark.Range{Where: s.where, Before: now.Add(-s.grace), Limit: s.limit})
	if err != nil {
		return 0, 0, err
	}

	switch {
	case len(ids) > 0:
		mark.OrderID = ids[len(ids)-1]
	case s.cycle:
		mark.OrderID = uuid.Nil
	default:
		return 0, 0, nil
	}

	if err := mark.Move(ctx, tx); err != nil || len(ids) == 0 {
		return 0, 0, err
	}

	open, err := progress.OpenSteps(ctx, tx, ids)
	if err != nil {
		return 0, 0, err
	}

	return len(open), len(ids), enqueueAgain(ctx, tx, queue, open)
}

func enqueueAgain(ctx context.Context, tx pgx.Tx, queue *flow.Queue, open []progress.OpenStep) error {
	var (
		work   []river.InsertManyParams
		events []db.OrderEvent
	)

	for _, o := range open {
		// A step that only a newer program declares is left to that program.
		if step, declared := order.StepOf(o.Step); declared {
			work = append(work, river.InsertManyParams{Args: jobs.Step(step, o.OrderID)})
			events = append(events, db.OrderEvent{OrderID: o.OrderID, Type: "missing_job", Detail: map[string]any{"step": o.Step}})
		}
	}

	if len(work) == 0 {
		return nil
	}

	if _, err := queue.InsertManyTx(ctx, tx, work); err != nil {
		return fmt.Errorf("enqueue missing jobs: %w", err)
	}

	return db.RecordEvents(ctx, tx, events)
}
