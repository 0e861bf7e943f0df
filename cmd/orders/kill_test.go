package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// fleet is an API and workers that share one database, all real processes.
type fleet struct {
	t       *testing.T
	pool    *pgxpool.Pool
	url     string // of the database, for the programs
	direct  string // ORDERS_DIRECT_URL, or empty
	api     *process
	workers []*process
	placed  int
	mailed  int // each of so many orders has an address; 0 for none
}

func newFleet(t *testing.T, workers int) *fleet {
	t.Helper()

	url := dbtest.URL(t)

	return newFleetOn(t, workers, url, url, "")
}

// newFleetOn is [newFleet] for programs with these addresses of the database at url.
func newFleetOn(t *testing.T, workers int, url, databaseURL, directURL string) *fleet {
	t.Helper()

	f := &fleet{t: t, url: databaseURL, direct: directURL}

	var err error
	if f.pool, err = db.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(f.pool.Close)

	if code := start(t, map[string]string{"DATABASE_URL": f.url}, "seed").ended(); code != 0 {
		t.Fatalf("seed: exit code %d", code)
	}

	f.api = start(t, map[string]string{"DATABASE_URL": f.url, "ORDERS_DIRECT_URL": f.direct, "ORDERS_LISTEN": address(t)}, "serve").ready()

	for range workers {
		f.work()
	}

	return f
}

func (f *fleet) work() *process {
	f.t.Helper()

	health := address(f.t)
	p := start(f.t, map[string]string{"DATABASE_URL": f.url, "ORDERS_DIRECT_URL": f.direct, "ORDERS_WORK_LISTEN": health}, "work")
	p.url = "http://" + health
	f.workers = append(f.workers, p.ready())

	return p
}

// place places n orders, several at once.
func (f *fleet) place(n int) {
	f.t.Helper()

	var clients sync.WaitGroup

	for range n {
		clients.Go(func() {
			if _, status, err := f.api.place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`); status != http.StatusCreated {
				f.t.Errorf("place: %d, %v", status, err)
			}
		})
	}

	clients.Wait()

	f.placed += n
}

// busy places orders, at least ten, whose points cannot be given until release, and waits until the
// worker runs jobs of theirs. It returns the worker's id.
func (f *fleet) busy(p *process) (worker string, release func()) {
	f.t.Helper()

	tx, err := f.pool.Begin(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}

	release = sync.OnceFunc(func() { tx.Rollback(f.t.Context()) })

	if _, err := tx.Exec(f.t.Context(), `LOCK TABLE points_balances`); err != nil { // the entries are written by then
		f.t.Fatal(err)
	}

	if err := f.pool.QueryRow(f.t.Context(), `SELECT id FROM workers WHERE pid = $1`, p.cmd.Process.Pid).Scan(&worker); err != nil {
		f.t.Fatal(err)
	}

	f.together(50)

	for deadline := time.Now().Add(20 * time.Second); f.running(worker) < 10; f.place(50) {
		if time.Now().After(deadline) {
			f.t.Fatal("the worker gets no jobs")
		}
	}

	return worker, release
}

func (f *fleet) running(worker string) (n int) {
	f.t.Helper()

	err := f.pool.QueryRow(f.t.Context(), `
		SELECT coalesce(sum(coalesce(jsonb_array_length(args -> 'order_ids'), 1)), 0)
		FROM river_job
		WHERE queue = 'points' AND state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1`, worker).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}

	return n
}

// settled waits until all orders have settled, and returns how long that took.
func (f *fleet) settled() time.Duration {
	f.t.Helper()

	begin := time.Now()

	eventually(f.t, f.pool, 0, `
		SELECT (SELECT count(*) FROM undone_steps) + (SELECT count(*) FROM river_job WHERE state <> 'completed' AND queue NOT IN ('maintenance', 'delivery'))`)

	return time.Since(begin)
}

// exact checks that every effect is there, once, and that River's rescuer had no part in it.
func (f *fleet) exact() {
	f.t.Helper()

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:                                                    f.placed,
		`SELECT count(*) FROM stock_movements WHERE kind = 'deduct' AND quantity = 1`:                               f.placed,
		`SELECT count(*) FROM stock_movements`:                                                                      f.placed,
		`SELECT 10000 - available FROM products WHERE sku = 'tea'`:                                                  f.placed,
		`SELECT count(*) FROM points_entries WHERE kind = 'earn' AND points = 10`:                                   f.placed,
		`SELECT count(*) FROM points_entries`:                                                                       f.placed,
		`SELECT sum(balance)::int FROM points_balances`:                                                             f.placed * 10,
		`SELECT count(*) FROM notifications`:                                                                        f.placed,
		`SELECT count(*) FROM dead_letters`:                                                                         0,
		`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`:                                      0,
		`SELECT count(*) FROM river_job WHERE (metadata->>'orders:rescued')::int > attempt AND queue <> 'delivery'`: 0, // none was rescued twice
	} {
		var got int
		if err := f.pool.QueryRow(f.t.Context(), sql).Scan(&got); err != nil || got != want {
			f.t.Errorf("%s = %d, want %d (%v)", sql, got, want, err)
		}
	}
}

// kills is how many workers the test below kills, one after the other.
const kills = 3

// A worker is killed in the middle of its work. Another one takes over its jobs at
// once, long before River's rescuer looks (after 20 to 50 s). Each effect happens once.
func TestAKilledWorkerIsNoticedAtOnce(t *testing.T) {
	t.Parallel()

	f := newFleet(t, 1)

	for n := range kills {
		f.work()

		victim := f.workers[n]
		worker, release := f.busy(victim)
		begin := time.Now()

		victim.kill()
		release()

		took := f.settled()
		t.Logf("settled %v after the kill", took.Round(time.Millisecond))

		if took > 15*time.Second {
			t.Errorf("it took %v", took)
		}

		eventually(t, f.pool, 0, fmt.Sprintf(`SELECT count(*) FROM river_leader WHERE leader_id = '%s' OR expires_at < now()`, worker))
		t.Logf("and a leader after %v", time.Since(begin).Round(time.Millisecond))

		if n := 0; f.pool.QueryRow(t.Context(), `SELECT rescued FROM workers WHERE id = $1 AND ended_at IS NOT NULL`, worker).Scan(&n) != nil || n == 0 {
			t.Errorf("no job of %s was rescued", worker)
		}
	}

	f.exact()
	eventually(t, f.pool, 0, `SELECT count(*) FROM river_job WHERE queue <> 'maintenance' AND attempt > 1`) // a rescue costs no attempt

	list := start(t, map[string]string{"DATABASE_URL": f.url}, "workers")
	if code := list.ended(); code != exitOK || strings.Count(list.output.String(), " false ") != kills || strings.Count(list.output.String(), " true ") != 1 {
		t.Errorf("orders workers: exit code %d\n%s", code, list.output)
	}
}

// A process that is stopped, not dead, keeps its lock and its open transactions. Its
// missing heartbeats show it. When it goes on, its connections are gone and attempts
// fail, but no effect happens twice.
func TestAStoppedWorkerIsNoticedAndMayComeBack(t *testing.T) {
	t.Parallel()

	f := newFleet(t, 2)
	frozen := f.workers[0]
	worker, release := f.busy(frozen)

	if err := frozen.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}

	begin := time.Now()

	release() // its statement goes through, in a transaction that the process cannot end

	f.settled()
	t.Logf("settled %v after the stop", time.Since(begin).Round(time.Millisecond))

	if err := frozen.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}

	eventually(t, f.pool, 2, `SELECT count(*) FROM workers WHERE ended_at IS NULL`)
	f.place(200)
	f.settled()
	f.exact()

	eventually(t, f.pool, 1, fmt.Sprintf(`SELECT count(*) FROM workers WHERE id = '%s' AND rescued > 0`, worker))

	for _, p := range f.workers {
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d: %s", code, p.output)
		}
	}
}

// One order of a shared job ends each process that works on it. The job falls apart after
// the first death, so the order is found, and the others are not accused with it.
func TestAPoisonOrderOfASharedJobIsFound(t *testing.T) {
	t.Parallel()

	const (
		orders = 12
		gate   = 4711 // an advisory lock, at which the poison order's step stops until its process is killed
	)

	f := newFleet(t, 0)
	poison := f.together(orders)[5]

	tx, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))

	for _, sql := range []string{
		fmt.Sprintf(`
			CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF NEW.order_id = '%s' THEN
					PERFORM pg_advisory_xact_lock(%d);
				END IF;
				RETURN NEW;
			END $$`, poison, gate),
		`CREATE TRIGGER stop BEFORE INSERT ON points_entries FOR EACH ROW EXECUTE FUNCTION stop()`,
	} {
		if _, err := f.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, gate); err != nil {
		t.Fatal(err)
	}

	deaths := 0

	for f.stoppedOrDead(gate) {
		f.workers[len(f.workers)-1].kill()

		if _, err := f.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`, gate); err != nil {
			t.Fatal(err)
		}

		if deaths++; deaths > 6 {
			t.Fatal("the poison order is not found")
		}
	}

	t.Logf("found after %d deaths", deaths)

	eventually(t, f.pool, 1, `SELECT count(*) FROM undone_steps`)
	eventually(t, f.pool, 1, fmt.Sprintf(`
		SELECT count(*)
		FROM dead_letters
		WHERE kind = 'points' AND reason = 'poison' AND order_id = '%s'`, poison))
	eventually(t, f.pool, 1, `SELECT count(*) FROM dead_letters`)
	eventually(t, f.pool, orders-1, `SELECT count(*) FROM points_entries`)
	eventually(t, f.pool, orders, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
}

// stoppedOrDead starts a worker and waits until it stops at the gate, or until there is a dead letter.
func (f *fleet) stoppedOrDead(gate int) (stopped bool) {
	f.t.Helper()
	f.work()

	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var dead bool

		err := f.pool.QueryRow(f.t.Context(), `
			SELECT
				EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted),
				EXISTS (SELECT FROM dead_letters)`, gate).Scan(&stopped, &dead)
		if err != nil {
			f.t.Fatal(err)
		}

		if stopped || dead {
			return stopped
		}
	}

	f.t.Fatal("no worker stops at the gate, and there is no dead letter")

	return false
}

// together places n orders in one transaction, which share the jobs of their steps.
func (f *fleet) together(n int) []uuid.UUID {
	f.t.Helper()

	f.placed += n

	return f.inOneTransaction(n, 1)
}

// rejected places n orders in one transaction, for which there is no stock.
func (f *fleet) rejected(n int) {
	f.t.Helper()
	f.inOneTransaction(n, order.MaxQuantity)
}

func (f *fleet) inOneTransaction(n int, quantity int64) []uuid.UUID {
	f.t.Helper()

	queue, err := jobs.NewClient(f.pool, nil, jobs.Defaults())
	if err != nil {
		f.t.Fatal(err)
	}

	placements, ids := make([]flow.Placement, n), make([]uuid.UUID, n)
	for i := range placements {
		ids[i] = uuid.Must(uuid.NewV7())
		placements[i] = flow.Placement{
			OrderID: ids[i],
			Draft:   order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: "tea", Quantity: quantity}}},
		}

		if f.mailed > 0 && i%f.mailed == 0 {
			placements[i].Draft.Email = "customer@example.com"
		}
	}

	err = db.InTx(f.t.Context(), f.pool, func(tx pgx.Tx) error {
		results, err := flow.Place(queue)(f.t.Context(), tx, placements)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}

		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}

	return ids
}
