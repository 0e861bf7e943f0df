package repair_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
	"orders/order/repair"
)

// compensate runs the letters' sweep in a transaction of its own.
func compensate(b *ordertest.Bundle, rules repair.Rules) (n int) {
	b.T.Helper()

	for _, sweep := range repair.Sweeps(b.Queue, rules) {
		b.InTx(func(tx pgx.Tx) error {
			done, failure, err := sweep.Run(b.T.Context(), tx, 100)
			n += done

			if failure != nil {
				b.T.Logf("%s: %v", sweep.Name, failure)
			}

			return err
		})
	}

	return n
}

// later makes all open letters older.
func later(b *ordertest.Bundle, d time.Duration) {
	b.T.Helper()
	b.Exec(`UPDATE dead_letters SET dead_at = dead_at - $1::interval`, d)
}

func TestATransientDeathIsRedrivenWithPatience(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	rules := repair.DefaultRules()
	id := b.Order(ordertest.Line("tea", 1))

	for n, wait := range rules.RedriveAfter {
		b.Die("points", id, deadletter.Transient)

		if done := compensate(b, rules); done != 0 {
			t.Errorf("redrive %d: %d letters are due at once", n+1, done)
		}

		later(b, wait-time.Second)

		if done := compensate(b, rules); done != 0 {
			t.Errorf("redrive %d: %d letters are due before %s", n+1, done, wait)
		}

		later(b, 2*time.Second)

		if done := compensate(b, rules); done != 1 {
			t.Errorf("redrive %d: %d letters are due after %s", n+1, done, wait)
		}

		if live := b.Count(`SELECT count(*) FROM river_job WHERE kind = 'points' AND state = 'available' AND attempt = 0`); live != 1 {
			t.Fatalf("redrive %d: %d fresh jobs", n+1, live)
		}
	}

	b.Die("points", id, deadletter.Transient)

	if done := compensate(b, rules); done != 1 {
		t.Errorf("after the last redrive %d letters are due", done)
	}

	if o := b.Read(id); !o.Attention || o.Status != order.Pending || o.Steps[1].State != order.Dead {
		t.Errorf("want a pending order that needs attention: %+v", o)
	}

	if done := compensate(b, rules); done != 0 {
		t.Errorf("a letter that needs attention is taken up %d times again", done)
	}

	b.Apply(order.Points, id) // the operator has repaired the cause
	redrive(b, uuid.New(), false, int64(b.Count(`SELECT max(job_id) FROM dead_letters`)))

	if o := b.Read(id); o.Attention || o.Steps[1].State != order.Done {
		t.Errorf("after the redrive: %+v", o)
	}
}

func TestADeadInventoryFailsTheOrder(t *testing.T) {
	t.Parallel()

	for class, redrives := range map[deadletter.Reason]int{
		deadletter.Transient: 3, // its redrives are spent
		deadletter.Unknown:   0, // none would help
	} {
		b := ordertest.Setup(t, map[string]int64{"tea": 10})
		rules := repair.Rules{RedriveAfter: make([]time.Duration, redrives)}
		id := b.Order(ordertest.Line("tea", 1))

		b.Apply(order.Points, id)

		for range redrives {
			b.Die("inventory", id, class)
			compensate(b, rules)
		}

		if o := b.Read(id); o.Status != order.Pending {
			t.Errorf("%s: %s before its redrives are spent", class, o.Status)
		}

		b.Die("inventory", id, class)
		compensate(b, rules)

		o := b.Read(id)
		if o.Status != order.Failed || o.Attention || o.StatusReason == "" {
			t.Errorf("%s: %+v", class, o)
		}

		b.Apply(order.Inventory, id) // a job that comes late, all the same

		if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 0 {
			t.Errorf("%s: %d letters are open", class, n)
		}

		b.Invariants()
	}
}

// An order that is past its reservation cannot fail: if its stock is lost, and not
// there any more, an operator must decide.
func TestADeadInventoryOfAConfirmedOrderNeedsAttention(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 2})
	id := b.Order(ordertest.Line("tea", 2))

	b.Apply(order.Inventory, id)
	b.Exec(`DELETE FROM stock_movements`)

	if err := b.Apply(order.Inventory, id)[0]; order.CodeOf(err) != order.Internal {
		t.Errorf("there is no stock: %v", err)
	}

	b.Die("inventory", id, deadletter.Unknown)

	if n := compensate(b, repair.DefaultRules()); n != 1 {
		t.Errorf("%d letters were done something about", n)
	}

	if o := b.Read(id); o.Status != order.Confirmed || !o.Attention {
		t.Errorf("the order is %s, needs attention: %t", o.Status, o.Attention)
	}

	if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL AND attention_at IS NOT NULL`); n != 1 {
		t.Errorf("%d letters need attention", n)
	}
}

func TestADeadStepOfAnOrderThatIsOverIsClosed(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id, settled := b.Order(ordertest.Line("tea", 1)), b.Order(ordertest.Line("tea", 1))

	b.Die("points", id, deadletter.Unknown)
	b.Die("points", settled, deadletter.Unknown)
	b.Apply(order.Points, settled)

	if _, err := b.Cancel(id, "test"); err != nil {
		t.Fatal(err)
	}

	compensate(b, repair.DefaultRules())

	if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL`); n != 0 {
		t.Errorf("%d letters are open", n)
	}
}

func TestTwoSweepsAtOnceShareTheWork(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})

	for range 30 {
		b.Die("inventory", b.Order(ordertest.Line("tea", 1)), deadletter.Unknown)
	}

	var (
		sweeps sync.WaitGroup
		mu     sync.Mutex
		total  int
	)

	for range 4 {
		sweeps.Go(func() {
			for _, sweep := range repair.Sweeps(b.Queue, repair.DefaultRules()) {
				err := db.InTx(t.Context(), b.Pool, func(tx pgx.Tx) error {
					n, _, err := sweep.Run(t.Context(), tx, 20)

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

	if failed := b.Count(`SELECT count(*) FROM order_events WHERE type = 'failed'`); total != 30 || failed != 30 {
		t.Errorf("%d letters taken, %d orders failed; want 30 each, once", total, failed)
	}

	b.Invariants()
}

// A letter that no redrive can help is not tried for ever.
func TestALetterThatCannotBeRedrivenNeedsAttention(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))

	b.Exec(`INSERT INTO river_job (kind, queue, args, max_attempts) VALUES ('of-tomorrow', 'points', jsonb_build_object('order_id', $1::uuid), 1)`, id)
	b.Die("of-tomorrow", id, deadletter.Transient)
	later(b, time.Hour)

	if n := compensate(b, repair.DefaultRules()); n != 1 {
		t.Errorf("%d letters were done something about", n)
	}

	if n := compensate(b, repair.DefaultRules()); n != 0 {
		t.Errorf("%d letters again", n)
	}

	if asked, redrives := b.Count(`SELECT count(*) FROM dead_letters WHERE attention_at IS NOT NULL`), b.Count(`SELECT count(*) FROM redrives`); asked != 1 || redrives != 0 {
		t.Errorf("%d need attention, %d redrives recorded", asked, redrives)
	}
}

// An order that cannot be undone keeps no other from failing. After three sweeps, an operator must decide about it.
func TestAnOrderThatCannotBeUndoneNeedsAttention(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})

	const orders = 9

	ids := make([]uuid.UUID, orders)
	for i := range ids {
		ids[i] = b.Order(ordertest.Line("tea", 1))
	}

	for _, id := range ids {
		b.Die("inventory", id, deadletter.Permanent)
	}

	b.Exec(`ALTER TABLE notifications ADD CHECK (order_id <> '` + ids[4].String() + `')`)

	if n := compensate(b, repair.DefaultRules()); n != orders-1 {
		t.Errorf("%d letters are done", n)
	}

	if n := b.Count(`SELECT count(*) FROM orders WHERE status = 'failed' AND status_reason = 'the inventory step could not be done'`); n != orders-1 {
		t.Errorf("%d orders have failed", n)
	}

	for sweeps := 2; sweeps <= 3; sweeps++ {
		if o := b.Read(ids[4]); o.Attention || o.Status != order.Pending {
			t.Errorf("before sweep %d: %+v", sweeps, o)
		}

		compensate(b, repair.DefaultRules())
	}

	if o := b.Read(ids[4]); !o.Attention || o.Status != order.Pending {
		t.Errorf("after three sweeps: %+v", o)
	}

	if n := b.Count(`SELECT sweep_failures FROM dead_letters WHERE order_id = $1`, ids[4]); n != 3 {
		t.Errorf("%d sweeps have failed", n)
	}
}

// A product that a forgotten session holds delays the orders that need it, and no others.
func TestALockedProductKeepsNoOtherOrderFromExpiring(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100, "mug": 100})
	locked, free := b.Held(-time.Hour, ordertest.Line("tea", 1)), b.Held(-time.Hour, ordertest.Line("mug", 1))
	b.Apply(order.Inventory, locked, free)

	expire := func() (ended int, failure error) {
		b.InTx(func(tx pgx.Tx) (err error) {
			ended, failure, err = flow.ExpireOverdue(t.Context(), tx, b.Queue, time.Hour, 100)

			return err
		})

		return ended, failure
	}

	b.InTx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT FROM products WHERE sku = 'tea' FOR UPDATE`); err != nil {
			return err
		}

		if ended, failure := expire(); ended != 1 || !db.Unavailable(failure) {
			t.Errorf("%d orders ended, %v", ended, failure)
		}

		return nil
	})

	if o := b.Read(free); o.Status != order.Expired {
		t.Errorf("the other order is %s", o.Status)
	}

	if ended, failure := expire(); ended != 1 || failure != nil {
		t.Errorf("after the lock: %d orders ended, %v", ended, failure)
	}
}

// A cancellation may come too late: the step's transaction has committed, but River has not seen it yet.
func TestALetterOfACancelledJobWhoseWorkIsDoneIsResolved(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	id := b.Order(ordertest.Line("tea", 1))
	held := b.Held(time.Hour, ordertest.Line("tea", 1))
	b.Settle(id)
	b.Exec(`UPDATE river_job SET state = 'running', finalized_at = NULL WHERE kind = 'expire' OR args ->> 'order_id' = $1`, id.String())

	if _, err := b.Cancel(held, ""); err != nil {
		t.Fatal(err)
	}

	b.Exec(`UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE kind = 'expire' OR args ->> 'order_id' = $1`, id.String())

	want := len(order.Steps()) + 1
	if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL AND reason = 'cancelled'`); n != want {
		t.Fatalf("%d letters, want %d", n, want)
	}

	compensate(b, repair.DefaultRules())

	if n := b.Count(`SELECT count(*) FROM dead_letters WHERE resolved_by = 'compensate'`); n != want {
		t.Errorf("%d letters are resolved, want %d", n, want)
	}

	if o := b.Read(id); o.Status != order.Confirmed || !o.Settled() {
		t.Errorf("the order: %+v", o)
	}
}

// The customer and operators read that an operator cancelled the job, and not that stock was missing.
func TestAnOrderWhoseInventoryJobWasCancelledSaysSo(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	id := b.Order(ordertest.Line("tea", 1))
	b.Exec(`UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE kind = 'inventory'`)
	compensate(b, repair.DefaultRules())

	if o := b.Read(id); o.Status != order.Failed || o.StatusReason != "an operator cancelled the job of the inventory step" {
		t.Errorf("%s: %s", o.Status, o.StatusReason)
	}
}
