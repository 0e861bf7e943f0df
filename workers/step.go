package workers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/groupcommit"
	"orders/db/jobqueue"
	"orders/db/savepoint"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// A stepJob is a job of a step, as the step's group commit takes it.
type stepJob struct {
	jobqueue.Attempt

	orders  []uuid.UUID
	shared  bool                // an order that fails gets a job of its own
	isolate bool                // the step has failed as a whole: find out which orders make it fail
	failed  map[uuid.UUID]error // of a shared job: what the last transaction found of its orders
}

func (j stepJob) weight() int { return len(j.orders) }

// stepWork does the jobs of a step, many in one transaction.
//
//	jobs ──► group commit: Apply(their orders), jobs of orders that fail, complete the jobs ──► COMMIT
type stepWork struct {
	spec  flow.Spec
	queue *flow.Queue
	pool  *pgxpool.Pool
	log   *sampler
	most  int              // attempts of a job
	now   func() time.Time // by the database's clock
	done  func(order.StepName, []time.Duration)
	group *groupcommit.Group[stepJob, flow.None]
}

func newStepWork(o Options, spec flow.Spec, queue *flow.Queue, log *sampler, changed func()) *stepWork {
	w := &stepWork{spec: spec, queue: queue, pool: o.Pool, log: log, most: o.Jobs.Attempts, now: time.Now, done: o.observer().StepDone}
	w.group = groupcommit.NewWeighted(o.Pool, groupcommit.Options{
		Committed: changed, Observe: o.observer().Batch(string(spec.Name)),
	}, stepJob.weight, w.batch)

	return w
}

// do does a job and returns when its effects are durable.
func (w *stepWork) do(ctx context.Context, j stepJob) error {
	j.failed = map[uuid.UUID]error{}

	_, err := w.group.Do(ctx, j)
	if err != nil {
		return err
	}

	// The job itself has not failed, so nothing else logs them. A transaction that was rolled back is not told of.
	for id, failure := range j.failed {
		w.log.failed(ctx, string(w.spec.Name), j.Attempt, w.most, slog.String("order", id.String()), failure)
	}

	if done := slices.DeleteFunc(slices.Clone(j.orders), func(id uuid.UUID) bool { return j.failed[id] != nil }); len(done) > 0 {
		w.done(w.spec.Name, placedAgo(w.now(), done))
	}

	return nil
}

// knows refuses a template that only a newer program knows.
func (w *stepWork) knows(template order.Template) error {
	if template != w.spec.Template {
		return order.Errorf(order.Internal, "This program does not know the template %q.", template)
	}

	return nil
}

// batch does the jobs in one transaction and completes those that succeed. Of a shared job,
// the orders that fail get jobs of their own, so it always succeeds.
func (w *stepWork) batch(ctx context.Context, tx pgx.Tx, batch []stepJob) ([]groupcommit.Result[flow.None], error) {
	failed, err := w.apply(ctx, tx, batch)
	if err != nil {
		return nil, err
	}

	var (
		done    []jobqueue.Attempt
		parts   []jobqueue.Part
		results = make([]groupcommit.Result[flow.None], len(batch))
	)

	for i, j := range batch {
		if !j.shared {
			if results[i].Err = failed[j.orders[0]]; results[i].Err == nil {
				done = append(done, j.Attempt)
			}

			continue
		}

		done = append(done, j.Attempt)
		clear(j.failed)

		for _, id := range j.orders {
			if err := failed[id]; err != nil {
				if j.failed != nil {
					j.failed[id] = err
				}

				parts = append(parts, jobqueue.Part{Attempt: j.Attempt, OrderID: id, Failure: w.failure(j, err)})
			}
		}
	}

	if err := jobqueue.Split(ctx, tx, string(w.spec.Name), string(w.spec.Template), parts); err != nil {
		return nil, err
	}

	return results, jobqueue.Complete(ctx, tx, done)
}

// apply applies the step to the orders of the jobs, and returns the errors of those that fail alone.
func (w *stepWork) apply(ctx context.Context, tx pgx.Tx, batch []stepJob) (map[uuid.UUID]error, error) {
	all := map[uuid.UUID]bool{}
	isolate := false

	for _, j := range batch {
		isolate = isolate || j.isolate

		for _, id := range j.orders {
			all[id] = true
		}
	}

	ids := slices.SortedFunc(maps.Keys(all), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	failed := map[uuid.UUID]error{}

	if isolate {
		return failed, w.applyApart(ctx, tx, ids, failed)
	}

	return failed, w.applyTo(ctx, tx, ids, failed)
}

// applyTo applies the step to the orders.
func (w *stepWork) applyTo(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, failed map[uuid.UUID]error) error {
	results, err := w.spec.Apply(ctx, tx, w.queue, ids)
	if err != nil {
		return err
	}

	if len(results) != len(ids) {
		return fmt.Errorf("%s returned %d results for %d orders", w.spec.Name, len(results), len(ids))
	}

	for i, id := range ids {
		if err := results[i].Err; err != nil {
			failed[id] = err
		}
	}

	return nil
}

// applyApart applies the step to the orders, and finds out which of them make it fail. What
// the others have done stays. A fault of the database is no order's.
func (w *stepWork) applyApart(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, failed map[uuid.UUID]error) error {
	faults, err := savepoint.Isolate(ctx, tx, ids, func(tx pgx.Tx, ids []uuid.UUID) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &panicked{value: p, trace: string(debug.Stack())}
			}
		}()

		return w.applyTo(ctx, tx, ids, failed)
	})

	for i, id := range faults.Items {
		failed[id] = faults.Errs[i]
	}

	return err
}

// panicked is the error of a step that has panicked.
type panicked struct {
	value any
	trace string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// split gives the orders of a shared job whose step is not done jobs of their own, and
// completes the job.
func (w *stepWork) split(ctx context.Context, j stepJob) error {
	parts := make([]jobqueue.Part, len(j.orders))
	for i, id := range j.orders {
		parts[i] = jobqueue.Part{Attempt: j.Attempt, OrderID: id}
	}

	return db.InTx(ctx, w.pool, func(tx pgx.Tx) error {
		if err := jobqueue.Split(ctx, tx, string(w.spec.Name), string(w.spec.Template), parts); err != nil {
			return err
		}

		return jobqueue.Complete(ctx, tx, []jobqueue.Attempt{j.Attempt})
	})
}

// failure is what the attempt of a shared job leaves in the job of an order that failed.
func (w *stepWork) failure(j stepJob, err error) *jobqueue.Failure {
	err = db.Error(err)
	o := outcomeOf(err)
	f := &jobqueue.Failure{
		Error:  err.Error(),
		Code:   string(order.CodeOf(err)),
		Class:  string(o.class),
		Cancel: o.cancel,
		Wait:   jobs.PolicyOf(string(w.spec.Name)).RetryAfter(j.Number),
	}

	if p, isPanic := errors.AsType[*panicked](err); isPanic {
		f.Trace = p.trace
	}

	return f
}
