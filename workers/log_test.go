package workers_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"orders/order"
)

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.all.Write(p)
}

// with lists the lines that have all of the texts.
func (l *lines) with(texts ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()

next:
	for line := range strings.Lines(l.all.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}

		found = append(found, line)
	}

	return found
}

// wait waits for n lines that have all of the texts.
func (l *lines) wait(t *testing.T, n int, texts ...string) {
	t.Helper()

	for deadline := time.Now().Add(30 * time.Second); len(l.with(texts...)) < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d lines with %q, want %d:\n%s", len(l.with(texts...)), texts, n, strings.Join(l.with(), ""))
		}
	}
}

func logging(t *testing.T) (*bundle, *lines) {
	t.Helper()

	b, l := setup(t), &lines{}
	b.log = slog.New(slog.NewTextHandler(l, nil))

	return b, l
}

// Each failed attempt leaves a line, of an order's own job and of an order that leaves a shared job. None names the
// customer.
func TestFailedAttemptsAreLogged(t *testing.T) {
	t.Parallel()

	b, log := logging(t)
	b.exec(`ALTER TABLE points_entries ADD CHECK (user_id <> 'u-1')`)

	alone, shared := b.order(1), b.together(3)
	b.start()

	log.wait(t, 1, `msg="attempt failed"`, "kind=points", "order="+alone.String(), "attempt=1", "code=internal", `next_try="within 1s"`,
		"violates check constraint")
	log.wait(t, 1, `msg="attempt failed"`, "order="+alone.String(), "attempt=2", `next_try="within 2s"`)

	for _, id := range shared {
		log.wait(t, 1, `msg="attempt failed"`, "kind=points ", "order="+id.String(), "attempt=1")
	}

	if found := log.with("u-1"); len(found) > 0 {
		t.Errorf("a line names the customer: %s", found[0])
	}
}

// Of many failures of one cause the first are logged, and then the number of the others.
func TestManyFailuresAreCounted(t *testing.T) {
	t.Parallel()

	b, log := logging(t)
	b.exec(`ALTER TABLE points_entries ADD CHECK (user_id <> 'u-1')`)
	b.together(40)
	b.start()

	log.wait(t, 1, `msg="lines were left out"`, `of="attempt failed"`, "kind=points", "count=")

	if n := len(log.with(`msg="attempt failed"`, "kind=points ", "attempt=1 ")); n > 10 {
		t.Errorf("%d lines", n)
	}
}

// A dead letter leaves a line, whoever has given up its job; so does a sweep that fails.
func TestLettersAndFailedSweepsAreLogged(t *testing.T) {
	t.Parallel()

	b, log := logging(t)
	id := b.order(1)
	b.exec(`UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE kind = 'points'`)
	b.exec(`ALTER TABLE watermarks RENAME TO gone`)
	b.start()

	log.wait(t, 1, `msg="dead letter"`, "kind=points", "order="+id.String(), "reason=transient")
	log.wait(t, 1, `msg="sweep failed"`, "sweep=missing_jobs ", "code=internal")
	b.eventually(1, `SELECT count(*) FROM sweeps WHERE name = 'missing_jobs' AND failures > 0 AND failed_at IS NOT NULL AND error <> ''`)
	b.eventually(1, `SELECT count(*) FROM sweeps WHERE name = 'expire_overdue' AND failures = 0 AND failed_at IS NULL AND error = ''`)

	b.exec(`ALTER TABLE gone RENAME TO watermarks`)
	b.eventually(1, `SELECT count(*) FROM sweeps WHERE name = 'missing_jobs' AND failures = 0 AND failed_at IS NOT NULL`)

	if n := len(log.with(`msg="dead letter"`)); n != 1 {
		t.Errorf("%d lines about one letter", n)
	}

	if status := b.read(id).Status; status != order.Confirmed {
		t.Errorf("the order is %s", status)
	}
}
