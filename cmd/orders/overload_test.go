package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/jobs"
)

const oneTea = `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`

// until places orders until a response has the status, and returns how many were accepted.
func (p *process) until(status int) (accepted int) {
	p.t.Helper()

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, got, err := p.place("", oneTea)
		if got == http.StatusCreated {
			accepted++
		}

		if got == status {
			return accepted
		}

		if got != http.StatusCreated && got != http.StatusServiceUnavailable {
			p.t.Fatalf("%d, %v", got, err)
		}
	}

	p.t.Fatalf("no %d within a minute", status)

	return accepted
}

// readyz reads the whole answer of /readyz.
func (p *process) readyz() string {
	p.t.Helper()

	response, err := http.Get(p.url + "/readyz") //nolint:noctx // of a test
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}

	return string(body)
}

// logs waits until the process has logged a line with all the words.
func (p *process) logs(words ...string) {
	p.t.Helper()

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(p.output.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		}
	}

	p.t.Fatalf("no line of the log has %q", words)
}

// Orders are refused while they come faster than a slow worker does their work, and accepted
// again when it is fast. All accepted orders settle, and there are no others.
func TestServeRefusesOrdersWhileWorkComesFasterThanItIsDone(t *testing.T) {
	t.Parallel()

	url, pool := seeded(t)

	const slow = `
		CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
		CREATE TRIGGER slow AFTER INSERT ON points_entries FOR EACH STATEMENT EXECUTE FUNCTION slow()`
	if _, err := pool.Exec(t.Context(), slow); err != nil {
		t.Fatal(err)
	}

	patient := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": "0"}, "serve").ready()
	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": "1s"}, "serve").ready()

	start(t, map[string]string{"DATABASE_URL": url, "ORDERS_CONCURRENCY": "points:1"}, "work")

	accepted := p.until(http.StatusServiceUnavailable)
	if accepted < 10 {
		t.Errorf("%d orders were accepted before the first was refused", accepted)
	}

	p.logs("requests are refused", "cause=overloaded", "queue=points")

	for range 20 {
		if _, status, err := patient.place("", oneTea); status != http.StatusCreated {
			t.Errorf("the process that never refuses: %d, %v", status, err)
		}

		accepted++
	}

	if _, err := pool.Exec(t.Context(), `DROP TRIGGER slow ON points_entries`); err != nil {
		t.Fatal(err)
	}

	accepted += p.until(http.StatusCreated)
	eventually(t, pool, accepted, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	eventually(t, pool, accepted, `SELECT count(*) FROM orders`)
	p.logs("requests are not refused any more", "cause=overloaded", "refused=")
}

// A paused queue and dead workers do not close the shop: orders are accepted, the log says what keeps
// their work from being done, and they settle later.
func TestAQueueThatIsNotWorkedDoesNotCloseTheShop(t *testing.T) {
	t.Parallel()

	url, pool := seeded(t)
	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": "1s"}, "serve").ready()
	health := address(t)
	w := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_WORK_LISTEN": health}, "work")
	w.url = "http://" + health
	placed := 0

	place := func() {
		t.Helper()

		for range 150 { // of 6 s: no event tells that none is refused
			if _, status, err := p.place("", oneTea); status != http.StatusCreated {
				t.Fatalf("order %d: %d, %v", placed, status, err)
			}

			placed++

			time.Sleep(40 * time.Millisecond)
		}
	}

	queue, err := jobs.NewClient(pool, slog.New(slog.DiscardHandler), jobs.Defaults())
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, pool, 1, `SELECT count(*) FROM river_queue WHERE name = 'points'`)

	if err := queue.QueuePause(t.Context(), "points", nil); err != nil {
		t.Fatal(err)
	}

	for _, q := range []*process{p, w} { // although no job waits
		q.logs("level=WARN", "the jobs of the queue do not run", "queue=points", "the queue is paused", "since=")

		if body := q.readyz(); !strings.Contains(body, "The jobs of the points queue do not run: the queue is paused.") {
			t.Errorf("readyz says %s", body)
		}
	}

	place()
	eventually(t, pool, placed, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	if err := queue.QueueResume(t.Context(), "points", nil); err != nil {
		t.Fatal(err)
	}

	p.logs("level=INFO", "run again", "queue=points")
	w.kill()
	place()

	for _, name := range []string{"inventory", "points", "notification"} {
		p.logs("level=WARN", "the jobs of the queue do not run", "queue="+name, "no living worker")
	}

	start(t, map[string]string{"DATABASE_URL": url}, "work")
	eventually(t, pool, placed, `SELECT count(*) FROM points_entries`)
	p.logs("level=INFO", "run again", "queue=inventory")

	// A worker of some queues says at its start what it leaves.
	if _, err := pool.Exec(t.Context(), `INSERT INTO river_queue (name, paused_at, updated_at) VALUES ('lifecycle', now(), now())
		ON CONFLICT (name) DO UPDATE SET paused_at = now()`); err != nil {
		t.Fatal(err)
	}

	if _, err := pool.Exec(t.Context(), `INSERT INTO river_job (queue, kind, args, max_attempts) VALUES ('lifecycle', 'x', '{}', 1)`); err != nil {
		t.Fatal(err)
	}

	start(t, map[string]string{"DATABASE_URL": url}, "work").logs("level=WARN", "queue=lifecycle", "the queue is paused")

	if strings.Contains(p.output.String(), "requests are refused") {
		t.Error("orders were refused")
	}
}

// seeded is a database with products.
func seeded(t *testing.T) (string, *pgxpool.Pool) {
	t.Helper()

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)
	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()

	if _, err := pool.Exec(t.Context(), `INSERT INTO stock_receipts (sku, reference, quantity) VALUES ('tea', 'test', 100000)`); err != nil {
		t.Fatal(err)
	}

	if _, err := pool.Exec(t.Context(), `UPDATE products SET available = available + 100000 WHERE sku = 'tea'`); err != nil {
		t.Fatal(err)
	}

	return url, pool
}

func TestMaxWaitIsASecondOrMoreOrZero(t *testing.T) {
	t.Parallel()

	for _, wait := range []string{"-1s", "10ms"} {
		p := start(t, map[string]string{"DATABASE_URL": dbtest.URL(t), "ORDERS_LISTEN": address(t), "ORDERS_MAX_WAIT": wait}, "serve")
		if code := p.ended(); code == 0 || !strings.Contains(p.output.String(), "ORDERS_MAX_WAIT: "+wait) {
			t.Errorf("%s: exit code %d: %s", wait, code, p.output)
		}
	}
}

// serve and work log who keeps dead rows from being removed, and when that ends.
func TestAnOldSnapshotIsLogged(t *testing.T) {
	t.Parallel()

	url, pool := seeded(t)
	pid, end := dbtest.OldSnapshot(t, pool, "backup")
	processes := []*process{
		start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve"),
		start(t, map[string]string{"DATABASE_URL": url}, "work"),
	}

	for _, p := range processes {
		p.logs("level=WARN", "an old snapshot", "kind=session", "application=backup", `state="idle in transaction"`, fmt.Sprintf("pid=%d", pid), "since=")
	}

	end()

	for _, p := range processes {
		p.logs("level=INFO", "the old snapshot has ended", "application=backup", fmt.Sprintf("pid=%d", pid))
	}
}
