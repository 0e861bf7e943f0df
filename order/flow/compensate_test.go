package flow_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

// compensate runs the letters' sweep in a transaction of its own.
func (b *bundle) compensate(rules flow.Compensation) (n int) {
	b.t.Helper()

	for _, sweep := range flow.Sweeps(b.queue, rules) {
		b.inTx(func(tx pgx.Tx) error {
			done, err := sweep(b.t.Context(), tx, 100)
			n += done

			return err
		})
	}

	return n
}

// dies discards an order's newest job of a step with an error.
func (b *bundle) dies(step order.StepName, id uuid.UUID, text string) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		return exec(b, tx, `
			UPDATE river_job
			SET state = 'discarded', finalized_at = now(), errors = ARRAY[jsonb_build_object('at', now(), 'attempt', 10, 'error', $3::text, 'trace', '')]
			WHERE id = (SELECT max(id) FROM river_job WHERE kind = $1 AND args->>'order_id' = $2)`, string(step), id.String(), text)
	})
}

// later makes all open letters older.
func (b *bundle) later(d time.Duration) {
	b.t.Helper()
	b.inTx(func(tx pgx.Tx) error {
		return exec(b, tx, `UPDATE dead_letters SET dead_at = dead_at - $1::interval`, d)
	})
}

func exec(b *bundle, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(b.t.Context(), sql, args...)

	return err
}

func TestATransientDeathIsRedrivenWithPatience(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	rules := flow.DefaultCompensation()
	id := b.order(line("tea", 1))

	for n, wait := range rules.RedriveAfter {
		b.dies(order.Points, id, "unavailable: begin: connection refused")

		if done := b.compensate(rules); done != 0 {
			t.Errorf("redrive %d: %d letters are due at once", n+1, done)
		}

		b.later(wait - time.Second)

		if done := b.compensate(rules); done != 0 {
			t.Errorf("redrive %d: %d letters are due before %s", n+1, done, wait)
		}

		b.later(2 * time.Second)

		if done := b.compensate(rules); done != 1 {
			t.Errorf("redrive %d: %d letters are due after %s", n+1, done, wait)
		}

		if live := b.count(`SELECT count(*) FROM river_job WHERE kind = 'points' AND state = 'available' AND attempt = 0`); live != 1 {
			t.Fatalf("redrive %d: %d fresh jobs", n+1, live)
		}
	}

	b.dies(order.Points, id, "unavailable: begin: connection refused")

	if done := b.compensate(rules); done != 1 {
		t.Errorf("after the last redrive %d letters are due", done)
	}

	if o := b.read(id); !o.Attention || o.Status != order.Pending || o.Steps[1].State != order.Dead {
		t.Errorf("the order stands and somebody is asked: %+v", o)
	}

	if done := b.compensate(rules); done != 0 {
		t.Errorf("a letter that a person has been asked about is taken up %d times again", done)
	}

	b.run(flow.Award, id) // the person made it work
	b.inTx(func(tx pgx.Tx) error {
		_, err := flow.RedriveLetters(t.Context(), tx, b.queue,
			[]flow.Redrive{{JobID: int64(b.count(`SELECT max(job_id) FROM dead_letters`)), OperationID: uuid.New(), Actor: "ann"}}, false)

		return err
	})

	if o := b.read(id); o.Attention || o.Steps[1].State != order.Done {
		t.Errorf("after the redrive: %+v", o)
	}
}

func TestADeadInventoryFailsTheOrder(t *testing.T) {
	t.Parallel()

	for text, redrives := range map[string]int{
		"unavailable: begin: connection refused": 3, // its redrives are spent
		"reserve stock: broken":                  0, // none would help
	} {
		b := setup(t, map[string]int64{"tea": 10})
		rules := flow.Compensation{RedriveAfter: make([]time.Duration, redrives)}
		id := b.order(line("tea", 1))

		b.run(flow.Award, id)

		for range redrives {
			b.dies(order.Inventory, id, text)
			b.compensate(rules)
		}

		if o := b.read(id); o.Status != order.Pending {
			t.Errorf("%s: %s before its redrives are spent", text, o.Status)
		}

		b.dies(order.Inventory, id, text)
		b.compensate(rules)

		o := b.read(id)
		if o.Status != order.Failed || o.Attention || o.StatusReason == "" {
			t.Errorf("%s: %+v", text, o)
		}

		b.run(flow.Reserve, id) // a job that comes late, all the same

		if n := b.count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 0 {
			t.Errorf("%s: %d letters are open", text, n)
		}

		b.invariants()
	}
}

func TestADeadStepOfAnOrderThatIsOverIsClosed(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id, settled := b.order(line("tea", 1)), b.order(line("tea", 1))

	b.dies(order.Points, id, "broken")
	b.dies(order.Points, settled, "broken")
	b.run(flow.Award, settled)

	if _, err := b.cancel(id, "test"); err != nil {
		t.Fatal(err)
	}

	b.compensate(flow.DefaultCompensation())

	if n := b.count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 0 {
		t.Errorf("%d letters are open", n)
	}
}

func TestTwoSweepsAtOnceShareTheWork(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 100})

	for range 30 {
		b.dies(order.Inventory, b.order(line("tea", 1)), "broken")
	}

	var (
		sweeps sync.WaitGroup
		mu     sync.Mutex
		total  int
	)

	for range 4 {
		sweeps.Go(func() {
			for _, sweep := range flow.Sweeps(b.queue, flow.DefaultCompensation()) {
				err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
					n, err := sweep(t.Context(), tx, 20)

					mu.Lock()
					defer mu.Unlock()

					total += n

					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}

	sweeps.Wait()

	if failed := b.count(`SELECT count(*) FROM order_events WHERE type = 'failed'`); total != 30 || failed != 30 {
		t.Errorf("%d letters taken, %d orders failed; want 30 each, once", total, failed)
	}

	b.invariants()
}

func TestOrphansAreAdopted(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	old := uuid.MustParse("01900000-0000-7000-8000-000000000000")

	p := placement("", line("tea", 1))
	p.OrderID = old

	if _, err := b.place.Do(t.Context(), p); err != nil {
		t.Fatal(err)
	}

	young := b.order(line("tea", 1))

	adopt := func() (n int) {
		b.inTx(func(tx pgx.Tx) (err error) {
			n, err = b.adopt(tx)

			return err
		})

		return n
	}

	if n := adopt(); n != 0 {
		t.Errorf("%d orphans while all jobs live", n)
	}

	b.inTx(func(tx pgx.Tx) error {
		return exec(b, tx, `UPDATE watermarks SET order_id = '00000000-0000-0000-0000-000000000000'`)
	})
	b.inTx(func(tx pgx.Tx) error { return exec(b, tx, `DELETE FROM river_job`) }) // as somebody may in River UI

	for range 3 { // the pending walk goes round and round
		adopt()
	}

	for id, want := range map[uuid.UUID]int{old: 3, young: 0} {
		if n := b.count(`SELECT count(*) FROM river_job WHERE args->>'order_id' = $1 AND state = 'available'`, id.String()); n != want {
			t.Errorf("%d jobs, want %d", n, want)
		}
	}

	if n := b.count(`SELECT count(*) FROM order_events WHERE type = 'orphan' AND order_id = $1`, old); n != 3 {
		t.Errorf("%d orphans are counted", n)
	}
}

// Somebody's word that nothing is to be done is not undone by a sweep.
func TestADismissedLetterIsNoOrphan(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	old := placement("", line("tea", 1))
	copy(old.OrderID[:6], []byte{0x01, 0x90})

	if _, err := b.place.Do(t.Context(), old); err != nil {
		t.Fatal(err)
	}

	b.run(flow.Reserve, old.OrderID)
	b.run(notify, old.OrderID)
	b.dies(order.Points, old.OrderID, "broken")
	b.inTx(func(tx pgx.Tx) error {
		_, err := flow.ResolveLetter(t.Context(), tx, int64(b.count(`SELECT job_id FROM dead_letters`)), "ann", "given by hand")

		return err
	})

	for range 3 {
		b.inTx(func(tx pgx.Tx) error {
			n, err := b.adopt(tx)
			if n > 0 {
				t.Errorf("%d orphans", n)
			}

			return err
		})
	}
}

// An order whose job is lost after the walk has passed it is found again.
func TestALateOrphanIsAdopted(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	old := placement("", line("tea", 1))
	copy(old.OrderID[:6], []byte{0x01, 0x90})

	if _, err := b.place.Do(t.Context(), old); err != nil {
		t.Fatal(err)
	}

	b.run(flow.Reserve, old.OrderID)

	total := 0
	sweep := func() {
		b.inTx(func(tx pgx.Tx) error {
			n, err := b.adopt(tx)
			total += n

			return err
		})
	}

	sweep()
	b.inTx(func(tx pgx.Tx) error { return exec(b, tx, `DELETE FROM river_job WHERE kind = 'points'`) })
	sweep()
	sweep()

	if total != 1 {
		t.Errorf("%d orphans adopted, want the one", total)
	}
}

// A letter that no redrive can help is not tried for ever.
func TestALetterThatCannotBeRedrivenIsAskedAbout(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 10})
	id := b.order(line("tea", 1))

	b.inTx(func(tx pgx.Tx) error {
		return exec(b, tx, `
			INSERT INTO river_job (kind, queue, args, max_attempts) VALUES ('of-tomorrow', 'points', jsonb_build_object('order_id', $1::uuid), 1)`, id)
	})
	b.dies("of-tomorrow", id, "unavailable: x")
	b.later(time.Hour)

	if n := b.compensate(flow.DefaultCompensation()); n != 1 {
		t.Errorf("%d letters were done something about", n)
	}

	if n := b.compensate(flow.DefaultCompensation()); n != 0 {
		t.Errorf("%d letters again", n)
	}

	if asked, redrives := b.count(`SELECT count(*) FROM dead_letters WHERE attention_at IS NOT NULL`), b.count(`SELECT count(*) FROM redrives`); asked != 1 || redrives != 0 {
		t.Errorf("%d asked about, %d redrives recorded", asked, redrives)
	}
}

// adopt looks for orphans as a sweep does.
func (b *bundle) adopt(tx pgx.Tx) (int, error) {
	first, _, err := flow.AdoptOrphans(b.t.Context(), tx, b.queue, 100)
	if err != nil {
		return 0, err
	}

	late, err := flow.AdoptLateOrphans(b.t.Context(), tx, b.queue)

	return first + late, err
}
