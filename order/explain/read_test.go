package explain_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/explain"
	"orders/order/ordertest"
	"orders/order/repair"
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

	b.InTx(func(tx pgx.Tx) error {
		_, err := repair.Redrive(t.Context(), tx, b.Queue, []repair.RedriveRequest{{JobID: dead, OperationID: uuid.New(), Actor: order.Actor{Name: "eva", KnownBy: order.ByCLI}}}, false)

		return err
	})
	b.Exec(`INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('w', 'shop-1', 1, '1', '{"points": 1, "notification": 1}', '')`)

	if a, err := why(b, id); err != nil || a.Code != explain.AwaitingRetry || !strings.Contains(a.Text, fmt.Sprintf("a redrive of job %d", dead)) {
		t.Errorf("redriven: %+v, %v", a, err)
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
		"The order was placed: total 2.00 EUR.",
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

// A worker may wait for a lock that is not one of a single row: only those who wait for it lead
// to the session that holds it. Workers that wait are not named as the cause.
func TestWhyNamesTheSessionThatAWorkerWaitsFor(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))
	holder, worker := connect(b), connect(b)

	for _, do := range []struct {
		conn *pgx.Conn
		sql  string
	}{
		{worker, `INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('w', 'shop-1', 1, '1', '{"points": 1}', 'orders w')`},
		{worker, `SET application_name = 'orders w'`},
		{holder, `SET application_name = 'psql of eva'`},
		{holder, `BEGIN`},
		{holder, `LOCK TABLE stock_movements IN SHARE MODE`},
		{worker, `BEGIN`},
		{worker, `SELECT FROM orders FOR UPDATE`},
		{holder, `SELECT pg_sleep(5.1)`}, // a transaction is named once it is five seconds old
	} {
		if _, err := do.conn.Exec(t.Context(), do.sql); err != nil {
			t.Fatal(err)
		}
	}

	done := make(chan error, 1)

	go func() {
		_, err := worker.Exec(t.Context(), `LOCK TABLE stock_movements IN ROW EXCLUSIVE MODE`)
		done <- err
	}()

	for b.Count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orders w' AND wait_event_type = 'Lock'`) == 0 {
		time.Sleep(time.Millisecond)
	}

	a, err := why(b, id)
	if err != nil || a.Code != explain.Locked || !strings.Contains(a.Text, fmt.Sprintf(`pid %d, application "psql of eva"`, holder.PgConn().PID())) {
		t.Errorf("%+v, %v", a, err)
	}

	for _, r := range a.Reasons {
		if strings.Contains(r.Text, `"orders w"`) || strings.Contains(r.Text, "Nothing is wrong") {
			t.Errorf("a reason is %q", r.Text)
		}
	}

	if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}

	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// connect opens a session of the bundle's database.
func connect(b *ordertest.Bundle) *pgx.Conn {
	b.T.Helper()

	conn, err := pgx.ConnectConfig(b.T.Context(), b.Pool.Config().ConnConfig)
	if err != nil {
		b.T.Fatal(err)
	}

	b.T.Cleanup(func() { _ = conn.Close(context.Background()) })

	return conn
}

func TestWhyWarnsOfClocks(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))

	b.Exec(`
		INSERT INTO workers (id, host, pid, version, queues, sessions, clock_skew, ended_at)
		VALUES ('a', 'shop-1', 1, '1', '{}', '', '2 min', NULL), ('b', 'shop-2', 1, '1', '{}', '', '-90 s', NULL),
			('c', 'shop-3', 1, '1', '{}', '', '0.9 s', NULL), ('d', 'shop-4', 1, '1', '{}', '', '1 h', now())`)

	a, err := why(b, id)
	slices.Sort(a.Warnings)

	if want := []string{
		"The clock of the worker's machine shop-1 is 120 s ahead of the database's.",
		"The clock of the worker's machine shop-2 is 90 s behind the database's.",
	}; err != nil || !slices.Equal(a.Warnings, want) {
		t.Errorf("warnings %q, %v, want %q", a.Warnings, err, want)
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

// An order that waits is told of the transaction that slows its queue down.
func TestWhyNamesTheHolderOfAnOldSnapshot(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	id := b.Order(ordertest.Line("tea", 1))
	pid, end := dbtest.OldSnapshot(t, b.Pool, "report of eva")

	named := func() string {
		a, err := why(b, id)
		if err != nil {
			t.Fatal(err)
		}

		i := slices.IndexFunc(a.Reasons, func(r explain.Reason) bool { return r.Code == explain.OldSnapshot })
		if i < 0 {
			return ""
		}

		return a.Reasons[i].Text
	}

	// Nobody works the queues, which is the reason. An old snapshot is none then.
	if text := named(); text != "" {
		t.Errorf("no worker lives, and why says %q", text)
	}

	b.Exec(`INSERT INTO workers (id, host, pid, version, queues, sessions)
		VALUES ('w-1', '', 1, '', '{"inventory": 5, "points": 5, "notification": 5}', '')`)

	text := named()
	for _, part := range []string{"A session has kept dead rows", "since 20", "report of eva", fmt.Sprintf("pid %d", pid)} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %q", part, text)
		}
	}

	end()

	if text := named(); text != "" {
		t.Errorf("it has ended, and why says %q", text)
	}
}
