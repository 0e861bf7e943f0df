package flow_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// giveUp discards the order's job of a kind, as a worker after its last run.
func (b *bundle) giveUp(kind string, id uuid.UUID) (jobID int64) {
	b.t.Helper()

	err := b.pool.QueryRow(b.t.Context(), `
		UPDATE river_job
		SET state = 'discarded',
			finalized_at = now(),
			attempt = max_attempts,
			errors = ARRAY['{"error": "unavailable: x"}'::jsonb]
		WHERE kind = $1
			AND args @> jsonb_build_object('order_id', $2::uuid)
			AND state NOT IN ('discarded', 'completed')
		RETURNING id`, kind, id).Scan(&jobID)
	if err != nil {
		b.t.Fatal(err)
	}

	return jobID
}

// redrive redrives letters in a transaction of its own.
func (b *bundle) redrive(operation uuid.UUID, dryRun bool, jobIDs ...int64) (outcomes []flow.Outcome) {
	b.t.Helper()

	redrives := make([]flow.Redrive, len(jobIDs))
	for i, jobID := range jobIDs {
		redrives[i] = flow.Redrive{JobID: jobID, OperationID: operation, Actor: "test", Note: "mended"}
	}

	b.inTx(func(tx pgx.Tx) error {
		results, err := flow.RedriveLetters(b.t.Context(), tx, b.queue, redrives, dryRun)
		for _, r := range results {
			outcomes = append(outcomes, r.Value)
		}

		return err
	})

	return outcomes
}

func (b *bundle) letter(jobID int64) db.DeadLetterWhole {
	b.t.Helper()

	l, err := db.ReadDeadLetter(b.t.Context(), b.pool, jobID)
	if err != nil {
		b.t.Fatal(err)
	}

	return l
}

func TestRedriveGivesTheWorkANewJob(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id := b.order(line("tea", 1))
	dead := b.giveUp("points", id)
	operation := uuid.New()

	if got := b.redrive(operation, true, dead); got[0] != flow.OutcomeEligible || b.letter(dead).Resolution != "" || b.count(`SELECT count(*) FROM redrives`) != 0 {
		t.Fatalf("dry run: %v", got)
	}

	for range 3 { // asked again, it answers the same and does nothing
		if got := b.redrive(operation, false, dead); got[0] != flow.OutcomeRedriven {
			t.Fatal(got)
		}
	}

	l := b.letter(dead)
	if l.Resolution != db.ResolvedRedriven || l.ResolvedBy != "test" || l.Note != "mended" || len(l.RedriveHistory) != 1 {
		t.Fatalf("%+v", l)
	}

	h := l.RedriveHistory[0]
	if h.OperationID != operation || h.Actor != "test" || h.Note != "mended" || h.Outcome != "redriven" || h.NewJobID == nil {
		t.Fatalf("%+v", h)
	}

	if n := b.count(`
		SELECT count(*) FROM river_job
		WHERE id = $1 AND state = 'available' AND attempt = 0 AND queue = 'points'
			AND max_attempts = (SELECT max_attempts FROM river_job WHERE id = $2)
			AND args = (SELECT args FROM river_job WHERE id = $2)
			AND metadata @> jsonb_build_object('orders:redrive_of', $2::bigint, 'orders:redrives', 1)`, *h.NewJobID, dead); n != 1 {
		t.Errorf("the new job is not there, or not as it should be")
	}

	if n := b.count(`SELECT count(*) FROM order_events WHERE order_id = $1 AND type = 'redrive' AND actor = 'test' AND detail @> '{"note": "mended"}'`, id); n != 1 {
		t.Errorf("%d events", n)
	}

	if got := b.redrive(uuid.New(), false, dead); got[0] != flow.OutcomeAlreadyResolved {
		t.Errorf("another operation: %v", got)
	}

	again := b.giveUp("points", id) // the new job dies, too: its letter knows where it comes from

	if l := b.letter(again); l.Redrives != 1 || l.RedriveOf == nil || *l.RedriveOf != dead {
		t.Errorf("%+v", l)
	}
}

func TestRedriveTellsWhatNeedsNone(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		kind string
		then func(b *bundle, id uuid.UUID) // after the job's death
		want flow.Outcome
		ends db.Resolution
	}{
		"points were given": {"points", func(b *bundle, id uuid.UUID) { b.run(flow.Award, id) }, flow.OutcomeAlreadyApplied, db.ResolvedApplied},
		"stock was reserved": {
			"inventory", func(b *bundle, id uuid.UUID) { b.run(flow.Reserve, id) }, flow.OutcomeAlreadyApplied, db.ResolvedApplied,
		},
		"the customer was told": {"notification", func(b *bundle, id uuid.UUID) { b.run(notify, id) }, flow.OutcomeAlreadyApplied, db.ResolvedApplied},
		"points of a cancelled order": {
			"points", func(b *bundle, id uuid.UUID) { b.cancel(id, "x") }, flow.OutcomeOrderIsFinal, db.ResolvedDismissed,
		},
		"stock of a cancelled order": {
			"inventory", func(b *bundle, id uuid.UUID) { b.cancel(id, "x") }, flow.OutcomeOrderIsFinal, db.ResolvedDismissed,
		},
		"a message of a cancelled order": { // is due, unless it has been sent
			"notification", func(b *bundle, id uuid.UUID) {
				b.cancel(id, "x")
				b.count(`WITH gone AS (DELETE FROM notifications RETURNING 1) SELECT count(*) FROM gone`)
			}, flow.OutcomeRedriven, db.ResolvedRedriven,
		},
		"somebody enqueued it": {"points", func(b *bundle, id uuid.UUID) { b.enqueue(jobs.Points{OrderID: id}) }, flow.OutcomeLiveJobExists, ""},
		"somebody retried it": {
			"points", func(b *bundle, _ uuid.UUID) {
				b.count(`WITH again AS (UPDATE river_job SET state = 'available', finalized_at = NULL WHERE kind = 'points' RETURNING 1) SELECT count(*) FROM again`)
			}, flow.OutcomeLiveJobExists, "",
		},
		"another message is on its way": {
			"notification", func(b *bundle, id uuid.UUID) { b.enqueue(jobs.Notification{OrderID: id, Template: "cancelled"}) }, flow.OutcomeRedriven, db.ResolvedRedriven,
		},
		"there is no order": {
			"points", func(b *bundle, _ uuid.UUID) {
				b.count(`WITH x AS (UPDATE dead_letters SET order_id = gen_random_uuid() RETURNING 1) SELECT count(*) FROM x`)
			}, flow.OutcomeCannotRedrive, "",
		},
		"a kind of a newer program": {
			"points", func(b *bundle, _ uuid.UUID) {
				b.count(`WITH x AS (UPDATE dead_letters SET kind = 'newer' RETURNING 1) SELECT count(*) FROM x`)
			}, flow.OutcomeCannotRedrive, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, map[string]int64{"tea": 10})
			id := b.order(line("tea", 1))
			dead := b.giveUp(test.kind, id)
			test.then(b, id)

			before := b.count(`SELECT count(*) FROM river_job`)
			dry := b.redrive(uuid.New(), true, dead)[0]
			operation := uuid.New()

			for range 2 {
				got := b.redrive(operation, false, dead)[0]
				if got != test.want || dry != got && (dry != flow.OutcomeEligible || got != flow.OutcomeRedriven) {
					t.Errorf("%s (dry: %s), want %s", got, dry, test.want)
				}
			}

			if l := b.letter(dead); l.Resolution != test.ends {
				t.Errorf("the letter is %q, want %q", l.Resolution, test.ends)
			}

			want := 0
			if test.want == flow.OutcomeRedriven {
				want = 1
			}

			if n := b.count(`SELECT count(*) FROM river_job`) - before; n != want {
				t.Errorf("%d new jobs", n)
			}
		})
	}
}

func (b *bundle) enqueue(args river.JobArgs) {
	b.t.Helper()

	if _, err := b.queue.Insert(b.t.Context(), args, nil); err != nil {
		b.t.Fatal(err)
	}
}

// A letter is redriven once, whoever asks at the same moment.
func TestRedrivesOfOneLetterAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	dead := b.giveUp("points", b.order(line("tea", 1)))
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

			got := b.redrive(operation, false, dead)[0]

			mu.Lock()
			defer mu.Unlock()

			outcomes[name+string(got)]++
		})
	}

	group.Wait()

	redriven := outcomes["others redriven"]
	if n := b.count(`SELECT count(*) FROM river_job WHERE metadata ? 'orders:redrive_of'`); n != 1 || redriven > 1 ||
		redriven == 0 && outcomes["same redriven"] != 6 || redriven == 1 && outcomes["same already resolved"] != 6 {
		t.Errorf("%d new jobs: %v", n, outcomes)
	}
}

// Two letters of the same work become one job: the second would collide with the first.
func TestTwoLettersOfTheSameWork(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id := b.order(line("tea", 1))
	first := b.giveUp("points", id)
	b.enqueue(jobs.Points{OrderID: id})
	second := b.giveUp("points", id)

	got := b.redrive(uuid.New(), false, second, first, 999_999)
	if got[0] != flow.OutcomeRedriven || got[1] != flow.OutcomeLiveJobExists || got[2] != flow.OutcomeNotFound {
		t.Fatal(got)
	}

	b.run(flow.Award, id)

	if got := b.redrive(uuid.New(), false, first); got[0] != flow.OutcomeAlreadyApplied {
		t.Error(got)
	}
}

func TestBulkRedriveIsLimitedSpreadAndRepeatable(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100})

	const letters = 9

	dead := make([]int64, 0, letters)
	for range letters {
		dead = append(dead, b.giveUp("points", b.order(line("tea", 1))))
	}

	b.giveUp("inventory", b.order(line("tea", 1))) // of another kind

	bulk := flow.BulkRedrive{
		Filter: db.LetterFilter{Kind: "points", Signature: "points: unavailable: x"}, OperationID: uuid.New(), Actor: "test", Limit: 6, Rate: 0.5,
	}
	run := func(bulk flow.BulkRedrive, dryRun bool) (done []flow.Redriven) {
		t.Helper()
		b.inTx(func(tx pgx.Tx) (err error) {
			done, err = flow.RedriveMatching(t.Context(), tx, b.queue, bulk, dryRun)

			return err
		})

		return done
	}

	if done := run(bulk, true); len(done) != 6 || done[0].JobID != dead[0] || done[0].Outcome != flow.OutcomeEligible {
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
	if err := b.pool.QueryRow(t.Context(), `SELECT max(scheduled_at) - min(scheduled_at) FROM river_job WHERE metadata ? 'orders:redrive_of'`).Scan(&spread); err != nil ||
		spread < 9*time.Second || spread > 11*time.Second {
		t.Errorf("spread over %s, %v", spread, err)
	}

	bulk.OperationID = uuid.New()
	if rest := run(bulk, false); len(rest) != letters-6 {
		t.Errorf("%d of the rest", len(rest))
	}

	if n := b.count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 1 {
		t.Errorf("%d letters are open, want that of the other kind", n)
	}
}

func outcomes(done []flow.Redriven) (list []string) {
	for _, d := range done {
		list = append(list, fmt.Sprint(d.JobID, d.Outcome))
	}

	return list
}

// The same bulk operation at the same moment waits for the first, and takes its letters for its own, not the next ones.
func TestBulkRedrivesOfOneOperationAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100})
	for range 10 {
		b.giveUp("points", b.order(line("tea", 1)))
	}

	bulk := flow.BulkRedrive{Filter: db.LetterFilter{Kind: "points"}, OperationID: uuid.New(), Actor: "test", Limit: 5}
	run := func(tx pgx.Tx) error {
		done, err := flow.RedriveMatching(t.Context(), tx, b.queue, bulk, false)
		if err == nil && len(done) != 5 {
			t.Errorf("%d letters", len(done))
		}

		return err
	}

	const others = 2 // as many as the pool has connections for

	var group sync.WaitGroup
	defer group.Wait()

	b.inTx(func(tx pgx.Tx) error {
		if err := run(tx); err != nil {
			return err
		}

		for range others {
			group.Go(func() { b.inTx(run) })
		}

		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if b.count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == others {
				return nil
			}
		}

		t.Error("the others do not wait")

		return nil
	})

	group.Wait()

	if n := b.count(`SELECT count(*) FROM river_job WHERE metadata ? 'orders:redrive_of'`); n != 5 {
		t.Errorf("%d new jobs", n)
	}
}

func TestResolveDismissesALetterForAReason(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id := b.order(line("tea", 1))
	dead := b.giveUp("points", id)

	resolve := func(jobID int64, reason string) (l db.DeadLetterWhole, err error) {
		b.inTx(func(tx pgx.Tx) error {
			l, err = flow.ResolveLetter(t.Context(), tx, jobID, "test", reason)

			return nil
		})

		return l, err
	}

	for range 2 {
		l, err := resolve(dead, "paid by hand")
		if err != nil || l.Resolution != db.ResolvedDismissed || l.Note != "paid by hand" || l.ResolvedBy != "test" {
			t.Errorf("%+v, %v", l, err)
		}
	}

	if _, err := resolve(dead, "another reason"); order.CodeOf(err) != order.LetterResolved {
		t.Error(err)
	}

	if _, err := resolve(999_999, "x"); order.CodeOf(err) != order.NotFound {
		t.Error(err)
	}

	if n := b.count(`SELECT count(*) FROM order_events WHERE order_id = $1 AND type = 'resolve' AND actor = 'test' AND detail @> '{"note": "paid by hand"}'`, id); n != 1 {
		t.Errorf("%d events", n)
	}
}
