package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
)

// fleet is an API and workers that share one database, all real processes.
type fleet struct {
	t       *testing.T
	pool    *pgxpool.Pool
	url     string // of the database
	api     *process
	workers []*process
	placed  int
}

func newFleet(t *testing.T, workers int) *fleet {
	t.Helper()

	f := &fleet{t: t, url: dbtest.URL(t)}

	var err error
	if f.pool, err = db.Open(t.Context(), f.url); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(f.pool.Close)

	if code := start(t, map[string]string{"DATABASE_URL": f.url}, "seed").ended(); code != 0 {
		t.Fatalf("seed: exit code %d", code)
	}

	f.api = start(t, map[string]string{"DATABASE_URL": f.url, "ORDERS_LISTEN": address(t)}, "serve").ready()

	for range workers {
		f.work()
	}

	return f
}

func (f *fleet) work() *process {
	f.t.Helper()

	health := address(f.t)
	p := start(f.t, map[string]string{"DATABASE_URL": f.url, "ORDERS_WORK_LISTEN": health}, "work")
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

// busy places orders whose points cannot be given until release, and waits until the
// worker runs some of their jobs. It returns the worker's id.
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
		SELECT count(*) FROM river_job WHERE kind = 'points' AND state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1`, worker).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}

	return n
}

// settled waits until all orders have settled, and returns how long that took.
func (f *fleet) settled() time.Duration {
	f.t.Helper()

	begin := time.Now()

	eventually(f.t, f.pool, 3*f.placed, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)

	return time.Since(begin)
}

// exact checks that every effect is there, once, and that River's rescuer had no part in it.
func (f *fleet) exact() {
	f.t.Helper()

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:                            f.placed,
		`SELECT count(*) FROM stock_movements WHERE kind = 'deduct' AND quantity = 1`:       f.placed,
		`SELECT count(*) FROM stock_movements`:                                              f.placed,
		`SELECT 10000 - available FROM products WHERE sku = 'tea'`:                          f.placed,
		`SELECT count(*) FROM points_entries WHERE kind = 'earn' AND points = 10`:           f.placed,
		`SELECT count(*) FROM points_entries`:                                               f.placed,
		`SELECT sum(balance)::int FROM points_balances`:                                     f.placed * 10,
		`SELECT count(*) FROM notifications`:                                                f.placed,
		`SELECT count(*) FROM dead_letters`:                                                 0,
		`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`:              0,
		`SELECT count(*) FROM river_job WHERE (metadata->>'orders:rescued')::int > attempt`: 0, // none was rescued twice
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
