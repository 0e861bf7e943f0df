package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
)

// lastRelease is the commit of the release before. Whoever releases moves it on.
const lastRelease = "53603b20ea0a9d60e5dc329a12d66c26c9f634f3"

// released builds the program of the last release, from its commit. A clone without that
// commit, or a tree without history, upgrades this program to itself instead: that tests
// the way of an upgrade, and not the migrations.
func released(t *testing.T) string {
	t.Helper()

	if exec.CommandContext(t.Context(), "git", "cat-file", "-e", lastRelease+"^{commit}").Run() != nil {
		t.Logf("THE UPGRADE IS TESTED IN PART: there is no commit %s here. Run: git fetch --unshallow", lastRelease)

		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}

		return path
	}

	dir := t.TempDir()

	for _, command := range []string{
		`git -C "$(git rev-parse --show-toplevel)" archive ` + lastRelease + ` | tar -x -C "$0"`,
		`cd "$0" && go build -buildvcs=false -o orders ./cmd/orders`,
	} {
		if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", command, dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}

	return filepath.Join(dir, "orders")
}

// deployment is a fleet of programs of two releases, under load.
type deployment struct {
	t        *testing.T
	url      string
	pool     *pgxpool.Pool
	accepted atomic.Int64

	mu   sync.RWMutex // held by each request
	apis []*process   // that get the load
}

// serve starts an API.
func (d *deployment) serve(path string) *process {
	d.t.Helper()

	return startProgram(d.t, path, map[string]string{"DATABASE_URL": d.url, "ORDERS_LISTEN": address(d.t)}, "serve").ready()
}

// work starts a worker.
func (d *deployment) work(path string) *process {
	d.t.Helper()

	health := address(d.t)
	p := startProgram(d.t, path, map[string]string{"DATABASE_URL": d.url, "ORDERS_WORK_LISTEN": health}, "work")
	p.url = "http://" + health

	return p.ready()
}

// route sends the load to these APIs, and waits for the requests to the others.
func (d *deployment) route(apis ...*process) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.apis = apis
}

// load places orders until stop is closed. Each must be accepted at the first try.
func (d *deployment) load(stop <-chan struct{}) {
	body := `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`

	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}

		d.mu.RLock()
		_, status, err := d.apis[n%len(d.apis)].place("", body)
		d.mu.RUnlock()

		if status != http.StatusCreated {
			d.t.Errorf("order %d: %d, %v", n, status, err)

			return
		}

		d.accepted.Add(1)
	}
}

func (d *deployment) command(path string, args ...string) {
	d.t.Helper()

	if p := startProgram(d.t, path, map[string]string{"DATABASE_URL": d.url}, args...); p.ended() != exitOK {
		d.t.Fatalf("%v: %s", args, p.output)
	}
}

// stop ends processes in an orderly way.
func stop(t *testing.T, processes ...*process) {
	t.Helper()

	for _, p := range processes {
		if code := p.stop(syscall.SIGTERM); code != exitOK {
			t.Errorf("exit code %d: %s", code, p.output)
		}
	}
}

// A release is rolled out under load, and back: migrate, replace the programs one by one.
// No request fails, no order is lost, and each program is ready all the time.
func TestAnUpgradeUnderLoadAndBack(t *testing.T) {
	t.Parallel()

	before := released(t)

	after, err := binary()
	if err != nil {
		t.Fatal(err)
	}

	d := &deployment{t: t, url: dbtest.Empty(t)}

	d.command(before, "migrate", "up")
	d.command(before, "seed")

	if d.pool, err = db.Open(t.Context(), d.url); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(d.pool.Close)

	first, second, worker := d.serve(before), d.serve(before), d.work(before)
	d.route(first, second)

	var clients sync.WaitGroup

	done := make(chan struct{})
	halt := sync.OnceFunc(func() { close(done); clients.Wait() })
	t.Cleanup(halt)

	for range 2 {
		clients.Go(func() { d.load(done) })
	}

	// Programs of the release before stay ready on the new schema, and can start there.
	d.command(after, "migrate", "up")
	first.ready()
	second.ready()
	worker.ready()
	d.route(first)
	stop(t, second, worker)

	second, worker = d.serve(before), d.work(before)
	d.route(second)
	stop(t, first)

	third, newWorker := d.serve(after), d.work(after)
	d.route(third)
	stop(t, second, worker)

	// So do the new ones on the schema of the release that follows.
	alter(t, d.pool, `ALTER TABLE orders ADD COLUMN colour text; INSERT INTO orders_migrations (version) VALUES (900001)`)
	third.ready()
	newWorker.ready()

	fourth := d.serve(after)
	d.route(fourth)
	stop(t, third)
	alter(t, d.pool, `ALTER TABLE orders DROP COLUMN colour; DELETE FROM orders_migrations WHERE version = 900001`)

	// And back: the programs first, and then the schema.
	first, worker = d.serve(before), d.work(before)
	d.route(first)
	stop(t, fourth, newWorker)

	migrator := schema.Migrator{URL: d.url, Log: slog.New(slog.DiscardHandler)}

	for dbtest.Count(t, d.pool, `SELECT max(version) FROM orders_migrations`) > releasedSchema(t, d.pool) {
		if err := migrator.Down(t.Context(), false, func(schema.Reversal) error { return nil }); err != nil {
			t.Fatal(err)
		}

		first.ready()
		worker.ready()
	}

	stop(t, d.serve(before))
	halt()

	accepted := int(d.accepted.Load())
	eventually(t, d.pool, accepted, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	eventually(t, d.pool, accepted*10, `SELECT coalesce(sum(balance), 0)::int FROM points_balances`)
	eventually(t, d.pool, accepted, `SELECT count(*) FROM notifications`)
	d.command(before, "audit", "--grace", "0s")
	d.command(after, "migrate", "up")
	d.command(after, "audit", "--grace", "0s")

	if accepted == 0 {
		t.Error("there was no load")
	}
}

// releasedSchema is the version of the last release's schema, which its own table has.
func releasedSchema(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()

	if dbtest.Count(t, pool, `SELECT count(*) FROM pg_class WHERE relname = 'schema_migrations'`) == 0 {
		return 1 << 30 // this program stands for the last release: it has no schema of its own
	}

	return dbtest.Count(t, pool, `SELECT version FROM schema_migrations`)
}

// A migration that is killed at any moment has run, or has not. The next run goes on.
func TestMigrateUpIsKilled(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)
	settings := map[string]string{"DATABASE_URL": url}

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	// versions waits for so many migrations, or for the end.
	versions := func(p *process, n int) {
		for got := -1; got < n; {
			select {
			case <-p.done:
				return
			default:
			}

			if pool.QueryRow(t.Context(), `SELECT count(*) FROM orders_migrations`).Scan(&got) != nil {
				got = -1 // the table is not there yet
			}
		}
	}

	for n := range 5 {
		p := start(t, settings, "migrate", "up")
		versions(p, 3*n)
		p.kill()
	}

	if p := start(t, settings, "migrate", "up"); p.ended() != exitOK {
		t.Fatalf("after the kills: %s", p.output)
	}

	if got, want := schemaDump(t, url), schemaDump(t, dbtest.URL(t)); got != want {
		t.Errorf("after the kills\n%s\nwant\n%s", got, want)
	}
}

// The kill comes in the middle of a migration, while it waits for a lock.
func TestMigrateUpIsKilledInAFile(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	settings := map[string]string{"DATABASE_URL": url}

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	want := schemaDump(t, url)

	for dbtest.Count(t, pool, `SELECT max(version) FROM orders_migrations`) >= 14 {
		if p := start(t, settings, "migrate", "down", "--yes", "--while-running"); p.ended() != exitOK {
			t.Fatalf("migrate down: %s", p.output)
		}
	}

	// Migration 14 drops this view, after it has altered orders.
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if _, err := reader.Exec(t.Context(), `SELECT FROM order_job_kinds`); err != nil {
		t.Fatal(err)
	}

	p := start(t, settings, "migrate", "up")

	eventually(t, pool, 1, `SELECT count(*) FROM pg_locks WHERE relation = 'order_job_kinds'::regclass AND NOT granted`)
	p.kill()

	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}

	eventually(t, pool, 0, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`) // its session has ended

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'batch_id'`); n != 0 {
		t.Error("half of the migration was applied")
	}

	if p := start(t, settings, "migrate", "version"); p.ended() != exitError {
		t.Errorf("version: %s", p.output)
	}

	if p := start(t, settings, "migrate", "up"); p.ended() != exitOK {
		t.Fatalf("migrate up: %s", p.output)
	}

	if got := schemaDump(t, url); got != want {
		t.Errorf("after the kill\n%s\nwant\n%s", got, want)
	}
}

func schemaDump(t *testing.T, url string) string {
	t.Helper()

	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", `pg_dump --schema-only --no-owner --dbname "$0" | grep -Ev '^.(un)?restrict '`, url)
	command.Stderr = os.Stderr

	out, err := command.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("pg_dump: %w", err))
	}

	return string(out)
}
