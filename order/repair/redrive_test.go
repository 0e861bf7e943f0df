package repair_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/db/timeline"
	"orders/order"
	"orders/order/ordertest"
	"orders/order/repair"
)

// redrive redrives letters in a transaction of its own.
func redrive(b *ordertest.Bundle, operation uuid.UUID, dryRun bool, jobIDs ...int64) (outcomes []repair.Outcome) {
	b.T.Helper()

	b.InTx(func(tx pgx.Tx) error {
		run, err := repair.RedriveMany(b.T.Context(), tx, b.Queue, repair.BulkRedrive{
			Operation: repair.Operation{ID: operation, JobIDs: jobIDs, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}}, Note: "mended",
		}, dryRun)
		for _, r := range run.Results {
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
			AND max_attempts = 10
			AND args = (SELECT args FROM dead_letters WHERE job_id = $2)
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
			}, repair.AlreadyResolved, deadletter.Redriven,
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

			if test.ends != "" && dry != repair.AlreadyResolved {
				want-- // a resolved letter's job is deleted
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
		Operation: repair.Operation{
			ID: uuid.New(), Filter: deadletter.Filter{Kind: "points", Signature: "points: unavailable: broken"}, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}, Limit: 6,
		},
		Rate: 0.5,
	}
	replayed := false
	run := func(bulk repair.BulkRedrive, dryRun bool) []repair.RedriveResult {
		t.Helper()

		var done repair.Run[repair.RedriveResult]

		b.InTx(func(tx pgx.Tx) (err error) {
			done, err = repair.RedriveMany(t.Context(), tx, b.Queue, bulk, dryRun)

			return err
		})

		if replayed = done.Replayed; done.ID != bulk.ID {
			t.Errorf("operation %s, want %s", done.ID, bulk.ID)
		}

		return done.Results
	}

	if done := run(bulk, true); len(done) != 6 || done[0].JobID != dead[0] || done[0].Outcome != repair.Eligible {
		t.Fatalf("dry run: %+v", done)
	}

	first := run(bulk, false)
	if len(first) != 6 || first[5].JobID != dead[5] || first[5].NewJobID == nil {
		t.Fatalf("%+v", first)
	}

	if again := run(bulk, false); !replayed || fmt.Sprint(outcomes(again)) != fmt.Sprint(outcomes(first)) || *again[5].NewJobID != *first[5].NewJobID {
		t.Errorf("again %+v, first %+v", again, first)
	}

	var spread time.Duration
	if err := b.Pool.QueryRow(t.Context(), `SELECT max(scheduled_at) - min(scheduled_at) FROM river_job WHERE metadata ? 'orders:redrive_of'`).Scan(&spread); err != nil ||
		spread < 9*time.Second || spread > 11*time.Second {
		t.Errorf("spread over %s, %v", spread, err)
	}

	bulk.ID = uuid.New()
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

	bulk := repair.BulkRedrive{
		Operation: repair.Operation{ID: uuid.New(), Filter: deadletter.Filter{Kind: "points"}, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}, Limit: 5},
	}
	run := func(tx pgx.Tx) error {
		done, err := repair.RedriveMany(t.Context(), tx, b.Queue, bulk, false)
		if err == nil && len(done.Results) != 5 {
			t.Errorf("%d letters", len(done.Results))
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
			if b.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == others {
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
			l, err = repair.ResolveLetter(t.Context(), tx, jobID, order.Actor{Name: "test", KnownBy: order.ByCLI}, reason)

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

// An operation id stands for one request. Another request under it is refused, whether it is another act, other letters or
// another note.
func TestAnOperationIDStandsForOneRequest(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	first := b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient)
	second := b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient)
	id := uuid.New()

	if got := redrive(b, id, false, first); got[0] != repair.Redriven {
		t.Fatal(got)
	}

	operation := func(jobIDs ...int64) repair.Operation {
		return repair.Operation{ID: id, JobIDs: jobIDs, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}}
	}

	for name, do := range map[string]func(tx pgx.Tx) error{
		"another letter": func(tx pgx.Tx) error {
			_, err := repair.RedriveMany(t.Context(), tx, b.Queue, repair.BulkRedrive{Operation: operation(second), Note: "mended"}, false)

			return err
		},
		"another note": func(tx pgx.Tx) error {
			_, err := repair.RedriveMany(t.Context(), tx, b.Queue, repair.BulkRedrive{Operation: operation(first), Note: "other"}, false)

			return err
		},
		"a filter": func(tx pgx.Tx) error {
			op := operation()
			op.Filter.Kind, op.Limit = "points", 5
			_, err := repair.RedriveMany(t.Context(), tx, b.Queue, repair.BulkRedrive{Operation: op, Note: "mended"}, false)

			return err
		},
		"another act": func(tx pgx.Tx) error {
			_, err := repair.ResolveMany(t.Context(), tx, repair.BulkResolve{Operation: operation(first), Reason: "mended"}, false)

			return err
		},
	} {
		b.InTx(func(tx pgx.Tx) error {
			if err := do(tx); order.CodeOf(err) != order.KeyReused {
				t.Errorf("%s: %v", name, err)
			}

			return nil
		})
	}

	if l := letter(b, second); l.Resolution != "" {
		t.Errorf("the other letter is %s", l.Resolution)
	}
}

// An operation that found nothing has run, too.
func TestAnOperationWithoutLettersIsNotRunLater(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	bulk := repair.BulkRedrive{Operation: repair.Operation{ID: uuid.New(), Filter: deadletter.Filter{Kind: "points"}, Limit: 5, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}}}

	for range 2 {
		b.InTx(func(tx pgx.Tx) error {
			if done, err := repair.RedriveMany(t.Context(), tx, b.Queue, bulk, false); err != nil || len(done.Results) != 0 {
				t.Errorf("%+v, %v", done, err)
			}

			return nil
		})
		b.Die("points", b.Order(ordertest.Line("tea", 1)), deadletter.Transient)
	}
}

func TestLettersAreResolvedByFilterAndReopened(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	ids := []uuid.UUID{b.Order(ordertest.Line("tea", 1)), b.Order(ordertest.Line("tea", 1))}
	dead := []int64{b.Die("points", ids[0], deadletter.Transient), b.Die("points", ids[1], deadletter.Transient)}
	other := b.Die("notification", ids[0], deadletter.Transient)

	bulk := repair.BulkResolve{
		Operation: repair.Operation{ID: uuid.New(), Filter: deadletter.Filter{Kind: "points"}, Limit: 10, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}}, Reason: "a gift",
	}

	resolve := func(bulk repair.BulkResolve, dryRun bool) (_ []repair.ResolveResult, err error) {
		var done repair.Run[repair.ResolveResult]

		b.InTx(func(tx pgx.Tx) error {
			done, err = repair.ResolveMany(t.Context(), tx, bulk, dryRun)

			return nil
		})

		return done.Results, err
	}

	if done, err := resolve(bulk, true); err != nil || len(done) != 2 || done[0] != (repair.ResolveResult{JobID: dead[0], Outcome: repair.ResolveEligible}) {
		t.Fatalf("dry run: %+v, %v", done, err)
	}

	if l := letter(b, dead[0]); l.Resolution != "" {
		t.Fatalf("a dry run has resolved: %+v", l)
	}

	for range 2 {
		if done, err := resolve(bulk, false); err != nil || len(done) != 2 || done[1] != (repair.ResolveResult{JobID: dead[1], Outcome: repair.ResolveDismissed}) {
			t.Fatalf("%+v, %v", done, err)
		}
	}

	for _, jobID := range dead {
		if l := letter(b, jobID); l.Resolution != deadletter.Dismissed || l.Note != "a gift" || l.ResolvedBy != "test" {
			t.Errorf("%+v", l)
		}
	}

	if l := letter(b, other); l.Resolution != "" {
		t.Errorf("of another kind: %+v", l)
	}

	// Named letters have their outcomes; an empty reason is refused on every road.
	bulk.Operation = repair.Operation{ID: uuid.New(), JobIDs: []int64{dead[0], 999_999}, Actor: order.Actor{Name: "test", KnownBy: order.ByCLI}}
	if done, err := resolve(bulk, false); err != nil || done[0].Outcome != repair.ResolveNotOpen || done[1].Outcome != repair.ResolveNotFound {
		t.Errorf("%+v, %v", done, err)
	}

	bulk.Reason = " \t"
	if _, err := resolve(bulk, true); order.CodeOf(err) != order.Invalid {
		t.Error(err)
	}

	b.InTx(func(tx pgx.Tx) error {
		if _, err := repair.ResolveLetter(t.Context(), tx, other, order.Actor{Name: "test", KnownBy: order.ByCLI}, " "); order.CodeOf(err) != order.Invalid {
			t.Error(err)
		}

		for range 2 {
			l, err := repair.ReopenLetter(t.Context(), tx, dead[0], order.Actor{Name: "test", KnownBy: order.ByCLI}, "by mistake")
			if err != nil || l.Resolution != "" || l.ResolvedAt != nil || l.AttentionAt == nil {
				t.Errorf("reopened: %+v, %v", l, err)
			}
		}

		return nil
	})

	if got := redrive(b, uuid.New(), false, dead[0]); got[0] != repair.Redriven {
		t.Errorf("the reopened letter: %v", got)
	}

	b.InTx(func(tx pgx.Tx) error {
		if _, err := repair.ReopenLetter(t.Context(), tx, dead[0], order.Actor{Name: "test", KnownBy: order.ByCLI}, "x"); order.CodeOf(err) != order.LetterResolved {
			t.Error(err)
		}

		return nil
	})

	entries, err := timeline.Read(t.Context(), b.Pool, ids[0], 100)
	if err != nil {
		t.Fatal(err)
	}

	var told []string

	for _, e := range entries {
		switch e.Type {
		case timeline.Resolved, timeline.Redrive:
			told = append(told, string(e.Type))
		case timeline.Event:
			told = append(told, e.Detail["name"].(string))
		default:
		}
	}

	if want := []string{"resolved", "reopen", "redrive"}; !slices.Equal(told, want) {
		t.Errorf("the timeline tells %v, want %v", told, want)
	}
}
