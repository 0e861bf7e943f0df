package repair_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/order"
	"orders/order/ordertest"
	"orders/order/repair"
)

// redrive redrives letters in a transaction of its own.
func redrive(b *ordertest.Bundle, operation uuid.UUID, dryRun bool, jobIDs ...int64) (outcomes []repair.Outcome) {
	b.T.Helper()

	requests := make([]repair.RedriveRequest, len(jobIDs))
	for i, jobID := range jobIDs {
		requests[i] = repair.RedriveRequest{JobID: jobID, OperationID: operation, Actor: "test", Note: "mended"}
	}

	b.InTx(func(tx pgx.Tx) error {
		results, err := repair.Redrive(b.T.Context(), tx, b.Queue, requests, dryRun)
		for _, r := range results {
			outcomes = append(outcomes, r.Outcome)
		}

		return err
	})

	return outcomes
}

func letter(b *ordertest.Bundle, jobID int64) deadletter.Detail {
	b.T.Helper()

	l, err := deadletter.Read(b.T.Context(), b.Pool, jobID)
	if err != nil {
		b.T.Fatal(err)
	}

	return l
}

func TestRedriveGivesTheWorkANewJob(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))
	dead := b.Die("points", id, deadletter.Transient)
	operation := uuid.New()

	if got := redrive(b, operation, true, dead); got[0] != repair.Eligible || letter(b, dead).Resolution != "" || b.Count(`SELECT count(*) FROM redrives`) != 0 {
		t.Fatalf("dry run: %v", got)
	}

	for range 3 { // requested again, it has the same result and does nothing
		if got := redrive(b, operation, false, dead); got[0] != repair.Redriven {
			t.Fatal(got)
		}
	}

	l := letter(b, dead)
	if l.Resolution != deadletter.Redriven || l.ResolvedBy != "test" || l.Note != "mended" || len(l.RedriveHistory) != 1 {
		t.Fatalf("%+v", l)
	}

	h := l.RedriveHistory[0]
	if h.OperationID != operation || h.Actor != "test" || h.Note != "mended" || h.Outcome != "redriven" || h.NewJobID == nil {
		t.Fatalf("%+v", h)
	}

	if n := b.Count(`
		SELECT count(*) FROM river_job
		WHERE id = $1 AND state = 'available' AND attempt = 0 AND queue = 'points'
			AND max_attempts = (SELECT max_attempts FROM river_job WHERE id = $2)
			AND args = (SELECT args FROM river_job WHERE id = $2)
			AND metadata @> jsonb_build_object('orders:redrive_of', $2::bigint, 'orders:redrives', 1)`, *h.NewJobID, dead); n != 1 {
		t.Errorf("the new job is not there, or not as it should be")
	}

	if n := b.Count(`SELECT count(*) FROM order_events WHERE order_id = $1 AND type = 'redrive' AND actor = 'test' AND detail @> '{"note": "mended"}'`, id); n != 1 {
		t.Errorf("%d events", n)
	}

	if got := redrive(b, uuid.New(), false, dead); got[0] != repair.AlreadyResolved {
		t.Errorf("another operation: %v", got)
	}

	again := b.Die("points", id, deadletter.Transient) // the new job dies, too: its letter knows where it comes from

	if l := letter(b, again); l.Redrives != 1 || l.RedriveOf == nil || *l.RedriveOf != dead {
		t.Errorf("%+v", l)
	}
}

func TestRedriveOutcomes(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		kind string
		then func(b *ordertest.Bundle, id uuid.UUID) // after the job's death
		want repair.Outcome
		ends deadletter.Resolution
	}{
		"points were given": {"points", func(b *ordertest.Bundle, id uuid.UUID) { b.Apply(order.Points, id) }, repair.AlreadyApplied, deadletter.Applied},
		"stock was reserved": {
			"inventory", func(b *ordertest.Bundle, id uuid.UUID) { b.Apply(order.Inventory, id) }, repair.AlreadyApplied, deadletter.Applied,
		},
		"the customer was notified": {"notification", func(b *ordertest.Bundle, id uuid.UUID) { b.Apply(order.Notification, id) }, repair.AlreadyApplied, deadletter.Applied},
		"points of a cancelled order": {
			"points", func(b *ordertest.Bundle, id uuid.UUID) { b.Cancel(id, "x") }, repair.OrderIsFinal, deadletter.Dismissed,
		},
		"stock of a cancelled order": {
			"inventory", func(b *ordertest.Bundle, id uuid.UUID) { b.Cancel(id, "x") }, repair.OrderIsFinal, deadletter.Dismissed,
		},
		"a message of a cancelled order": { // is due, unless it has been sent
			"notification", func(b *ordertest.Bundle, id uuid.UUID) {
				b.Cancel(id, "x")
				b.Exec(`DELETE FROM notifications`)
			}, repair.Redriven, deadletter.Redriven,
		},
		"an operator enqueued it": {"points", func(b *ordertest.Bundle, id uuid.UUID) { b.Enqueue("points", id, "") }, repair.LiveJobExists, ""},
		"an operator retried it": {
			"points", func(b *ordertest.Bundle, _ uuid.UUID) {
				b.Exec(`UPDATE river_job SET state = 'available', finalized_at = NULL WHERE kind = 'points'`)
			}, repair.LiveJobExists, "",
		},
		"another message is on its way": {
			"notification", func(b *ordertest.Bundle, id uuid.UUID) { b.Enqueue("notification", id, order.NoticeCancelled) }, repair.Redriven, deadletter.Redriven,
		},
		"there is no order": {
			"points", func(b *ordertest.Bundle, _ uuid.UUID) {
				b.Exec(`UPDATE dead_letters SET order_id = gen_random_uuid()`)
			}, repair.NotRedrivable, "",
		},
		"a kind of a newer program": {
			"points", func(b *ordertest.Bundle, _ uuid.UUID) {
				b.Exec(`UPDATE dead_letters SET kind = 'newer'`)
			}, repair.NotRedrivable, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 10})
			id := b.Order(ordertest.Line("tea", 1))
			dead := b.Die(test.kind, id, deadletter.Transient)
			test.then(b, id)

			before := b.Count(`SELECT count(*) FROM river_job`)
			dry := redrive(b, uuid.New(), true, dead)[0]
			operation := uuid.New()

			for range 2 {
				got := redrive(b, operation, false, dead)[0]
				if got != test.want || dry != got && (dry != repair.Eligible || got != repair.Redriven) {
					t.Errorf("%s (dry: %s), want %s", got, dry, test.want)
				}
			}

			if l := letter(b, dead); l.Resolution != test.ends {
				t.Errorf("the letter is %q, want %q", l.Resolution, test.ends)
			}

			want := 0
			if test.want == repair.Redriven {
				want = 1
			}

			if n := b.Count(`SELECT count(*) FROM river_job`) - before; n != want {
				t.Errorf("%d new jobs", n)
			}
		})
	}
}

// A letter is redriven once, even if several operations request it at the same moment.
func TestRedrivesOfOneLetterAtOnce(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	dead := b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient)
	same := uuid.New()

	var (
		group sync.WaitGroup
		mu    sync.Mutex
	)

	outcomes := map[string]int{}

	for n := range 12 {
		group.Go(func() {
			operation, name := uuid.New(), "others "
			if n%2 == 0 {
				operation, name = same, "same "
			}

			got := redrive(b, operation, false, dead)[0]

			mu.Lock()
			defer mu.Unlock()

			outcomes[name+string(got)]++
		})
	}

	group.Wait()

	redriven := outcomes["others redriven"]
	if n := b.Count(`SELECT count(*) FROM river_job WHERE metadata ? 'orders:redrive_of'`); n != 1 || redriven > 1 ||
		redriven == 0 && outcomes["same redriven"] != 6 || redriven == 1 && outcomes["same already_resolved"] != 6 {
		t.Errorf("%d new jobs: %v", n, outcomes)
	}
}

// Two letters of the same work become one job: the second would collide with the first.
func TestTwoLettersOfTheSameWork(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))
	first := b.Die("points", id, deadletter.Transient)
	b.Enqueue("points", id, "")
	second := b.Die("points", id, deadletter.Transient)

	got := redrive(b, uuid.New(), false, second, first, 999_999)
	if got[0] != repair.Redriven || got[1] != repair.LiveJobExists || got[2] != repair.NotFound {
		t.Fatal(got)
	}

	b.Apply(order.Points, id)

	if got := redrive(b, uuid.New(), false, first); got[0] != repair.AlreadyApplied {
		t.Error(got)
	}
}

func TestBulkRedriveIsLimitedSpreadAndRepeatable(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})

	const letters = 9

	dead := make([]int64, 0, letters)
	for range letters {
		dead = append(dead, b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient))
	}

	b.Die("inventory", b.Order(ordertest.Line("tea", 1)), deadletter.Transient) // of another kind

	bulk := repair.BulkRedrive{
		Filter: deadletter.Filter{Kind: "points", Signature: "points: unavailable: broken"}, OperationID: uuid.New(), Actor: "test", Limit: 6, Rate: 0.5,
	}
	run := func(bulk repair.BulkRedrive, dryRun bool) (done []repair.RedriveResult) {
		t.Helper()
		b.InTx(func(tx pgx.Tx) (err error) {
			done, err = repair.RedriveMatching(t.Context(), tx, b.Queue, bulk, dryRun)

			return err
		})

		return done
	}

	if done := run(bulk, true); len(done) != 6 || done[0].JobID != dead[0] || done[0].Outcome != repair.Eligible {
		t.Fatalf("dry run: %+v", done)
	}

	first := run(bulk, false)
	if len(first) != 6 || first[5].JobID != dead[5] || first[5].NewJobID == nil {
		t.Fatalf("%+v", first)
	}

	if again := run(bulk, false); fmt.Sprint(outcomes(again)) != fmt.Sprint(outcomes(first)) || *again[5].NewJobID != *first[5].NewJobID {
		t.Errorf("again %+v, first %+v", again, first)
	}

	var spread time.Duration
	if err := b.Pool.QueryRow(t.Context(), `SELECT max(scheduled_at) - min(scheduled_at) FROM river_job WHERE metadata ? 'orders:redrive_of'`).Scan(&spread); err != nil ||
		spread < 9*time.Second || spread > 11*time.Second {
		t.Errorf("spread over %s, %v", spread, err)
	}

	bulk.OperationID = uuid.New()
	if rest := run(bulk, false); len(rest) != letters-6 {
		t.Errorf("%d of the rest", len(rest))
	}

	if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 1 {
		t.Errorf("%d letters are open, want that of the other kind", n)
	}
}

func outcomes(done []repair.RedriveResult) (list []string) {
	for _, d := range done {
		list = append(list, fmt.Sprint(d.JobID, d.Outcome))
	}

	return list
}

// The same bulk operation at the same moment waits for the first, and takes its letters for its own, not the next ones.
func TestBulkRedrivesOfOneOperationAtOnce(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	for range 10 {
		b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient)
	}

	bulk := repair.BulkRedrive{Filter: deadletter.Filter{Kind: "points"}, OperationID: uuid.New(), Actor: "test", Limit: 5}
	run := func(tx pgx.Tx) error {
		done, err := repair.RedriveMatching(t.Context(), tx, b.Queue, bulk, false)
		if err == nil && len(done) != 5 {
			t.Errorf("%d letters", len(done))
		}

		return err
	}

	const others = 2 // as many as the pool has connections for

	var group sync.WaitGroup
	defer group.Wait()

	b.InTx(func(tx pgx.Tx) error {
		if err := run(tx); err != nil {
			return err
		}

		for range others {
			group.Go(func() { b.InTx(run) })
		}

		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if b.Count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == others {
				return nil
			}
		}

		t.Error("the others do not wait")

		return nil
	})

	group.Wait()

	if n := b.Count(`SELECT count(*) FROM river_job WHERE metadata ? 'orders:redrive_of'`); n != 5 {
		t.Errorf("%d new jobs", n)
	}
}

func TestResolveDismissesALetterForAReason(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))
	dead := b.Die("points", id, deadletter.Transient)

	resolve := func(jobID int64, reason string) (l deadletter.Detail, err error) {
		b.InTx(func(tx pgx.Tx) error {
			l, err = repair.ResolveLetter(t.Context(), tx, jobID, "test", reason)

			return nil
		})

		return l, err
	}

	for range 2 {
		l, err := resolve(dead, "paid by hand")
		if err != nil || l.Resolution != deadletter.Dismissed || l.Note != "paid by hand" || l.ResolvedBy != "test" {
			t.Errorf("%+v, %v", l, err)
		}
	}

	if _, err := resolve(dead, "another reason"); order.CodeOf(err) != order.LetterResolved {
		t.Error(err)
	}

	if _, err := resolve(999_999, "x"); order.CodeOf(err) != order.NotFound {
		t.Error(err)
	}

	if n := b.Count(`SELECT count(*) FROM order_events WHERE order_id = $1 AND type = 'resolve' AND actor = 'test' AND detail @> '{"note": "paid by hand"}'`, id); n != 1 {
		t.Errorf("%d events", n)
	}
}
