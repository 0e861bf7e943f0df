package explain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/deadletter"
	"orders/order"
	"orders/order/explain"
	"orders/order/ordertest"
)

// why reads why an order has not settled.
func why(b *ordertest.Bundle, id uuid.UUID) (a explain.Answer, err error) {
	b.T.Helper()
	b.InTx(func(tx pgx.Tx) error {
		_, a, err = explain.Why(b.T.Context(), tx, id, []time.Duration{time.Minute})

		return nil
	})

	return a, err
}

func TestWhy(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))

	if a, err := why(b, id); err != nil || a.Code != explain.NoWorker || len(a.Reasons) != len(order.Steps()) {
		t.Errorf("without a worker: %+v, %v", a, err)
	}

	b.Apply(order.Inventory, id)

	dead := b.Die("points", id, deadletter.Transient)

	a, err := why(b, id)
	if err != nil || a.Code != explain.DeadLetter || a.Step != order.Points || a.Until == nil || !strings.Contains(a.Text, "the database could not be reached") {
		t.Errorf("with a dead letter of job %d: %+v, %v", dead, a, err)
	}

	b.Settle(id)

	if a, err := why(b, id); err != nil || a.Code != explain.Settled {
		t.Errorf("settled: %+v, %v", a, err)
	}

	if _, err := why(b, uuid.New()); order.CodeOf(err) != order.NotFound {
		t.Errorf("an order that does not exist: %v", err)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Held(time.Hour, ordertest.Line("tea", 2))

	b.Apply(order.Inventory, id)

	if _, err := b.Pay(id, "pay-1"); err != nil {
		t.Fatal(err)
	}

	b.Settle(id)

	if _, err := b.Cancel(id, "too late"); err != nil {
		t.Fatal(err)
	}

	entries, err := explain.Timeline(t.Context(), b.Pool, id, 100)
	if err != nil {
		t.Fatal(err)
	}

	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = e.Text
	}

	want := []string{
		"The order was placed: total 200 EUR in minor units.",
		"Stock was taken: 2 pieces of 1 product.",
		"The order awaits its payment.",
		"The order was paid: reference pay-1.",
		"The order is confirmed.",
		"The customer earned 10 points.",
		"The customer was notified: your order has been created.",
		"The order is cancelled: too late.",
		"Stock was given back: 2 pieces of 1 product.",
		"The points were taken back: -10.",
		"The customer was notified: your order has been cancelled.",
		"The payment must be returned: reference pay-1.",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("the timeline is\n%s\nwant\n%s", strings.Join(texts, "\n"), strings.Join(want, "\n"))
	}

	if _, err := explain.Timeline(t.Context(), b.Pool, uuid.New(), 100); order.CodeOf(err) != order.NotFound {
		t.Errorf("an order that does not exist: %v", err)
	}
}

// A session that has forgotten its transaction is named, also between the attempts of the job that it blocks.
func TestWhyNamesTheSessionThatHoldsAProduct(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))

	conn, err := b.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer conn.Release()

	for _, sql := range []string{
		`SET application_name = 'psql of eva'`, `BEGIN`, `SELECT FROM products WHERE sku = 'tea' FOR UPDATE`,
		`SELECT pg_sleep(5.1)`, // a transaction is named once it is five seconds old
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	a, err := why(b, id)
	if err != nil || a.Code != explain.Locked {
		t.Fatalf("%+v, %v", a, err)
	}

	for _, text := range []string{"product tea", "psql of eva", fmt.Sprintf("pid %d", conn.Conn().PgConn().PID())} {
		if !strings.Contains(a.Text, text) {
			t.Errorf("%q does not say %q", a.Text, text)
		}
	}

	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}

	if a, err := why(b, id); err != nil || a.Code == explain.Locked {
		t.Errorf("after the transaction: %+v, %v", a, err)
	}
}

// A dead expire job of an order that is late shows.
func TestWhyOfAnOrderThatDidNotExpire(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Held(-10*time.Minute, ordertest.Line("tea", 1))
	b.Apply(order.Inventory, id)
	b.Apply(order.Notification, id)
	b.Die("expire", id, deadletter.Permanent)

	a, err := why(b, id)
	if err != nil || a.Code != explain.Overdue || a.Step != "" || !strings.Contains(a.Text, "The expire job has been dead since") ||
		!strings.Contains(a.Text, "No worker is alive that works the maintenance queue") {
		t.Errorf("%+v, %v", a, err)
	}
}
