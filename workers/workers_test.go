package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/catalogue"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/schema"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/repair"
	"orders/workers"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

type bundle struct {
	t     *testing.T
	pool  *pgxpool.Pool
	queue *river.Client[pgx.Tx]
	place *groupcommit.Group[flow.Placement, flow.Placed]
	log   *slog.Logger
}

func setup(t *testing.T) *bundle {
	t.Helper()

	return setupOn(t, dbtest.Pool(t))
}

func setupOn(t *testing.T, pool *pgxpool.Pool) *bundle {
	t.Helper()

	b := &bundle{t: t, pool: pool, log: slog.New(slog.DiscardHandler)}

	var err error
	if b.queue, err = jobs.NewClient(b.pool, b.log, jobs.Defaults()); err != nil {
		t.Fatal(err)
	}

	b.place = groupcommit.New(b.pool, groupcommit.Options{}, flow.Place(b.queue))
	t.Cleanup(b.place.Close)

	err = db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		tea := order.Product{SKU: "tea", Name: "Tea", Price: 100, Currency: "EUR", Available: 1_000}

		return catalogue.Add(t.Context(), tx, tea, "test")
	})
	if err != nil {
		t.Fatal(err)
	}

	return b
}

func (b *bundle) start() *workers.Workers {
	b.t.Helper()

	return b.startWith(jobs.Defaults())
}

func (b *bundle) startWith(settings jobs.Settings) *workers.Workers {
	b.t.Helper()

	concurrency := jobs.Concurrency()
	for queue := range concurrency {
		concurrency[queue] = 50
	}

	return b.startOn(concurrency, settings)
}

func (b *bundle) startOn(concurrency map[string]int, settings jobs.Settings) *workers.Workers {
	b.t.Helper()

	w, err := workers.New(workers.Options{
		Pool: b.pool, Log: b.log, Version: "test", Concurrency: concurrency, Jobs: settings, Rules: repair.DefaultRules(),
	})
	if err != nil {
		b.t.Fatal(err)
	}

	if err := w.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}

	b.t.Cleanup(func() {
		if err := w.Stop(context.WithoutCancel(b.t.Context())); err != nil {
			b.t.Errorf("stop: %v", err)
		}
	})

	return w
}

func (b *bundle) order(quantity int64) uuid.UUID {
	b.t.Helper()

	placed, err := b.place.Do(b.t.Context(), flow.Placement{
		OrderID: uuid.Must(uuid.NewV7()),
		Draft:   order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: "tea", Quantity: quantity}}},
	})
	if err != nil {
		b.t.Fatal(err)
	}

	return placed.Order.ID
}

// enqueueSteps enqueues each step for an order that need not exist.
func (b *bundle) enqueueSteps(id uuid.UUID) {
	b.t.Helper()

	for _, s := range order.Steps() {
		if _, err := b.queue.Insert(b.t.Context(), jobs.Step(s, id), nil); err != nil {
			b.t.Fatal(err)
		}
	}
}

// step makes the args of a declared step.
func step(name order.StepName, id uuid.UUID) jobs.OfOrder {
	s, _ := order.StepOf(name)

	return jobs.Step(s, id)
}

// eventually waits for sql to return want.
func (b *bundle) eventually(want int, sql string, args ...any) {
	b.t.Helper()

	var got int

	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&got); err != nil {
			b.t.Fatal(err)
		}

		if got == want {
			return
		}
	}

	b.t.Fatalf("%s = %d, want %d", sql, got, want)
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()

	if _, err := b.pool.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

func TestWorkersSettleOrders(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.start()

	for range 50 {
		b.order(1)
	}

	rejected := b.order(5_000)

	b.eventually(153, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)
	b.eventually(50, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	o, err := db.Order(t.Context(), b.pool, rejected)
	if err != nil {
		t.Fatal(err)
	}

	if o.Status != order.Rejected || o.Steps[0].State != order.Done || o.Steps[1].State != order.Skipped || o.Steps[2].State != order.Done {
		t.Errorf("without stock: %s, steps %+v", o.Status, o.Steps)
	}
}

func TestAFailedStepIsRetriedAndSaysSoWithoutInternals(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.start()
	b.exec(`ALTER TABLE points_entries RENAME TO points_entries_gone`)

	id := b.order(1)

	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'points' AND errors IS NOT NULL`)
	b.eventually(1, `SELECT count(*) FROM orders WHERE status = 'confirmed'`) // the other steps do not wait for points
	b.exec(`ALTER TABLE points_entries_gone RENAME TO points_entries`)

	o, err := db.Order(t.Context(), b.pool, id)
	if err != nil {
		t.Fatal(err)
	}

	if s := o.Steps[1]; s.State != order.Retrying && s.State != order.Done || s.State == order.Retrying && s.LastError != order.PublicError(order.Internal) {
		t.Errorf("points: %+v", s)
	}

	b.eventually(10, `SELECT coalesce(sum(balance), 0)::int FROM points_balances`)
	b.eventually(0, `SELECT count(*) FROM river_job WHERE state <> 'completed' AND queue <> 'maintenance'`)
}

func TestAJobWithoutAnOrderIsCancelled(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.start()

	b.enqueueSteps(uuid.Must(uuid.NewV7()))

	b.eventually(3, `SELECT count(*) FROM river_job WHERE state = 'cancelled' AND errors[1]->>'error' LIKE '%not-found:%'`)
}

// A program that does not know a template must not send another one in its place.
func TestAStepWithAnUnknownTemplateFails(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := b.order(1)
	args := fmt.Sprintf(`{"order_id": %q, "template": "newer"}`, id)

	if _, err := b.queue.Insert(t.Context(), jobs.Again(string(order.Notification), json.RawMessage(args)), nil); err != nil {
		t.Fatal(err)
	}

	b.start()
	b.eventually(1, `
		SELECT count(*)
		FROM river_job
		WHERE args->>'template' = 'newer' AND errors[1]->>'error' LIKE '%template "newer"%'
			AND metadata->'orders:failures'->'1' = '{"code": "internal", "class": "unknown"}'`)
	b.eventually(1, `SELECT count(*) FROM notifications`) // of the order's own job
}

// A row of the job table without a handler, or on a queue without concurrency, waits for ever.
func TestEveryKindIsWorkedByDefault(t *testing.T) {
	t.Parallel()

	b := setup(t)
	unused := jobs.Concurrency()

	kinds := slices.DeleteFunc(jobs.Policies(), func(p jobs.Policy) bool { return p.Kind == jobs.KindDeliverMail }) // it needs a mail server

	for _, p := range kinds {
		b.exec(`
			INSERT INTO river_job (kind, queue, args, max_attempts, state)
			VALUES ($1, $2, jsonb_build_object('order_id', gen_random_uuid()), 10, 'available')`, p.Kind, p.Queue)
		delete(unused, p.Queue)
	}

	if len(unused) > 0 {
		t.Errorf("no kind has the queues %v", unused)
	}

	b.startOn(jobs.Concurrency(), jobs.Defaults())
	b.eventually(len(kinds), `SELECT count(DISTINCT kind) FROM river_job WHERE attempted_at IS NOT NULL`)
}

func TestStopFinishesWhatRuns(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w := b.start()

	for range 20 {
		b.order(1)
	}

	b.eventually(0, `SELECT (count(*) = 0)::int FROM river_job WHERE state IN ('running', 'completed')`) // some have begun

	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if n := count(b, `SELECT count(*) FROM river_job WHERE state = 'running'`); n != 0 {
		t.Errorf("%d jobs are left running", n)
	}

	if n := count(b, `SELECT count(*) FROM river_job WHERE errors IS NOT NULL`); n != 0 {
		t.Errorf("%d jobs have been charged an error for the stop", n)
	}

	b.start() // another process takes over
	b.eventually(20, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
}

func TestPruneDeletesWhatIsPastItsTime(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`
		INSERT INTO idempotency_keys (scope, key, request_hash, order_id, created_at)
		SELECT 'orders', n::text, '', gen_random_uuid(), now() - CASE WHEN n <= 12000 THEN interval '24 hours 1 second' ELSE interval '23 hours 59 minutes' END
		FROM generate_series(1, 12010) AS n`)
	b.exec(`
		INSERT INTO job_failures (kind, at, error)
		SELECT 'points', now() - CASE WHEN n <= 6000 THEN interval '49 hours' ELSE interval '47 hours' END, 'x'
		FROM generate_series(1, 6010) AS n`)
	b.exec(`
		INSERT INTO events (type, at, order_ids)
		SELECT 'order.created', now() - CASE WHEN n <= 6000 THEN interval '8 days' ELSE interval '6 days' END, '{}'
		FROM generate_series(1, 6010) AS n`)
	b.start() // the leader enqueues it at its start

	b.eventually(10, `SELECT count(*) FROM idempotency_keys`)
	b.eventually(10, `SELECT count(*) FROM job_failures`)
	b.eventually(10, `SELECT count(*) FROM events`)
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'prune' AND state = 'completed'`)
}

func TestMinutesAreCounted(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.order(1)
	b.exec(`INSERT INTO stats_minutes VALUES (now() - interval '36 days', 1, 1, 0, 0, 0, 0)`)
	b.start() // the leader enqueues the job at its start

	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'stats' AND state = 'completed'`)
	b.eventually(1, `SELECT sum(placed) FROM stats_minutes WHERE minute > now() - interval '35 days'`)
	b.eventually(0, `SELECT count(*) FROM stats_minutes WHERE minute < now() - interval '35 days'`)
}

func count(b *bundle, sql string) (n int) {
	b.t.Helper()

	if err := b.pool.QueryRow(b.t.Context(), sql).Scan(&n); err != nil {
		b.t.Fatal(err)
	}

	return n
}
