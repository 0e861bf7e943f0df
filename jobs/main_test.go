package jobs_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db/dbtest"
	"orders/db/schema"
	"orders/jobs"
	"orders/order"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

func newQueue(t *testing.T) (*pgxpool.Pool, *river.Client[pgx.Tx]) {
	t.Helper()

	pool := dbtest.Pool(t)

	queue, err := jobs.NewClient(pool, nil, jobs.Defaults())
	if err != nil {
		t.Fatal(err)
	}

	return pool, queue
}

// ofOrder are the args of all jobs that an order may have.
func ofOrder(id uuid.UUID) []jobs.OfOrder {
	steps := order.Steps()
	args := make([]jobs.OfOrder, len(steps), len(steps)+1)

	for i, step := range steps {
		args[i] = jobs.Step(step, id)
	}

	return append(args, jobs.Expire(id))
}

type jobArgs interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

// all are the args of one job of each kind.
func all() []jobArgs {
	var list []jobArgs
	for _, args := range ofOrder(uuid.Must(uuid.NewV7())) {
		list = append(list, args)
	}

	return append(list, jobs.Compensate{}, jobs.Audit{}, jobs.Stats{}, jobs.Prune{}, jobs.Alert{}, jobs.DeliverWebhook{}, jobs.DeliverMail{})
}
