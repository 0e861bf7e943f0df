package repair_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/order"
	"orders/order/ordertest"
	"orders/order/repair"
)

// enqueueMissing looks for missing jobs as a sweep does.
func enqueueMissing(b *ordertest.Bundle) (n int) {
	b.T.Helper()
	b.InTx(func(tx pgx.Tx) error {
		first, _, err := repair.MissingJobs(b.T.Context(), tx, b.Queue, 100)
		if err != nil {
			return err
		}

		again, err := repair.MissingJobsAgain(b.T.Context(), tx, b.Queue)
		n = first + again

		return err
	})

	return n
}

func TestMissingJobsAreEnqueued(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	old, young := b.Old(ordertest.Line("tea", 1)), b.Order(ordertest.Line("tea", 1))

	if n := enqueueMissing(b); n != 0 {
		t.Errorf("%d jobs were enqueued while all jobs live", n)
	}

	b.Exec(`UPDATE watermarks SET order_id = '00000000-0000-0000-0000-000000000000'`)
	b.Exec(`DELETE FROM river_job`) // as somebody may in River UI

	for range 3 { // the scan of pending orders begins anew at its end
		enqueueMissing(b)
	}

	for id, want := range map[uuid.UUID]int{old: 3, young: 0} {
		if n := b.Count(`SELECT count(*) FROM river_job WHERE args->>'order_id' = $1 AND state = 'available'`, id.String()); n != want {
			t.Errorf("%d jobs, want %d", n, want)
		}
	}

	if n := b.Count(`SELECT count(*) FROM order_events WHERE type = 'missing_job' AND order_id = $1`, old); n != 3 {
		t.Errorf("%d missing jobs are kept as events", n)
	}
}

// An operator's decision that nothing is to be done is not undone by a sweep.
func TestADismissedLetterIsNoMissingJob(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	old := b.Old(ordertest.Line("tea", 1))

	b.Apply(order.Inventory, old)
	b.Apply(order.Notification, old)

	dead := b.Die("points", old, deadletter.Unknown)

	b.InTx(func(tx pgx.Tx) error {
		_, err := repair.ResolveLetter(t.Context(), tx, dead, order.Actor{Name: "ann", KnownBy: order.ByCLI}, "given by hand")

		return err
	})

	for range 3 {
		if n := enqueueMissing(b); n > 0 {
			t.Errorf("%d jobs were enqueued", n)
		}
	}
}

// A pending order that has lost its inventory job is found even if another of its
// letters was dismissed: each step is looked at by itself.
func TestAMissingJobBesideADismissedLetter(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	old := b.Old(ordertest.Line("tea", 1))
	dead := b.Die("notification", old, deadletter.Unknown)

	b.InTx(func(tx pgx.Tx) error {
		_, err := repair.ResolveLetter(t.Context(), tx, dead, order.Actor{Name: "ann", KnownBy: order.ByCLI}, "told by telephone")

		return err
	})
	b.Exec(`DELETE FROM river_job WHERE kind = 'inventory'`)

	if v := b.Violations(); len(v) != 1 || v[0].Invariant != "open-steps" || v[0].Detail != "pending, but nothing will do: inventory" {
		t.Errorf("the audit finds %+v", v)
	}

	enqueueMissing(b)

	if n := b.Count(`SELECT count(*) FROM live_jobs WHERE unique_key = job_key('inventory', $1)`, old); n != 1 {
		t.Errorf("%d inventory jobs", n)
	}

	b.Invariants()
}

// An order whose job is lost behind the watermark is found again.
func TestAJobLostLaterIsEnqueued(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	old := b.Old(ordertest.Line("tea", 1))

	b.Apply(order.Inventory, old)

	total := enqueueMissing(b)

	b.Exec(`DELETE FROM river_job WHERE kind = 'points'`)

	for range 2 {
		total += enqueueMissing(b)
	}

	if total != 1 {
		t.Errorf("%d jobs were enqueued, want the one", total)
	}
}
