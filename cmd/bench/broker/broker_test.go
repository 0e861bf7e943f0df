package broker_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"

	"orders/cmd/bench/broker"
	"orders/cmd/bench/check"
	"orders/cmd/bench/load"
	"orders/cmd/bench/scenario"
	"orders/cmd/bench/server"
	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/order"
	"orders/order/flow"
)

const (
	consumers = 4
	noOrder   = "7d0f9d1e-58f4-4a39-8f3c-2f4f4c1b0000" // the id of an order that does not exist
)

func TestMain(m *testing.M) {
	// The test that kills a process starts this program as one of consumers.
	if url := os.Getenv("BROKER_TEST_URL"); url != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()

		o := broker.Options{DatabaseURL: url, RabbitMQ: os.Getenv("BROKER_TEST_RABBITMQ"), Listen: "127.0.0.1:0"}
		if err := broker.Work(ctx, o, consumers); err != nil {
			panic(err)
		}

		return
	}

	dbtest.Main(m, schema.Up)
}

// The recipe settles orders with the effects of the service, and loses nothing when its consumers are killed with messages
// that are not acked.
func TestKilledConsumersLoseNothing(t *testing.T) {
	t.Parallel()

	const orders = 60

	rabbit, err := server.StartRabbitMQ(t.Context(), t.TempDir(), server.RabbitPrograms)
	if errors.Is(err, server.ErrNoRabbitMQ) {
		// Then the bench leaves the recipe out, which a test of the bench shows.
		if found, _ := filepath.Glob(server.RabbitPrograms + "/rabbitmq-server"); len(found) > 0 {
			if _, noErlang := exec.LookPath("epmd"); noErlang == nil {
				t.Errorf("%v, but here is %s", err, found)
			}
		}

		return
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		rabbit.Close()

		if conn, err := amqp.Dial(rabbit.URL); err == nil {
			conn.Close()
			t.Error("RabbitMQ lives on")
		}
	})

	pool := stocked(t)
	o := broker.Options{DatabaseURL: pool.Config().ConnString(), RabbitMQ: rabbit.URL, Listen: freeAddress(t)}

	start(t, func(ctx context.Context) error { return broker.Serve(ctx, o) })
	awaitReady(t, "http://"+o.Listen+"/readyz")

	placed := &load.Load{Workload: load.Spread, Addresses: []string{o.Listen}, KeyPrefix: "k", Orders: orders, Connections: 8}

	result, err := placed.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, pool, 0, `SELECT count(*) FROM outbox`)
	killWithMessages(t, pool, rabbit.URL)

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM points_entries`); n != 0 {
		t.Errorf("%d points entries of transactions that were killed", n)
	}

	channel := open(t, rabbit.URL)
	if err := channel.PublishWithContext(t.Context(), "orders.placed", "", false, false, amqp.Publishing{Body: []byte(noOrder)}); err != nil {
		t.Fatal(err)
	}

	o.Listen = "127.0.0.1:0"
	start(t, func(ctx context.Context) error { return broker.Work(ctx, o, consumers) })
	eventually(t, pool, orders, `SELECT count(*) FROM points_entries`)
	eventually(t, pool, orders, `SELECT count(*) FROM notifications`)
	eventually(t, pool, 0, `SELECT count(*) FROM orders WHERE status = 'pending'`)

	if err := check.Orders(t.Context(), pool, load.Spread, result); err != nil {
		t.Error(err)
	}

	// Only the message without an order is dead, of each queue.
	letters, err := channel.Consume("orders.dead", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}

	for range order.Steps() {
		if letter := <-letters; string(letter.Body) != noOrder {
			t.Errorf("dead letter %s", letter.Body)
		}
	}
}

// killWithMessages starts a process of consumers, and kills it when the transactions of its points are under way.
func killWithMessages(t *testing.T, pool *pgxpool.Pool, rabbit string) {
	t.Helper()

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))

	if _, err := tx.Exec(t.Context(), `LOCK TABLE points_balances`); err != nil { // the entries are written by then
		t.Fatal(err)
	}

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BROKER_TEST_URL="+pool.Config().ConnString(), "BROKER_TEST_RABBITMQ="+rabbit)
	cmd.Stderr = os.Stderr

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	defer cmd.Wait()
	defer cmd.Process.Kill()

	eventually(t, pool, consumers, `SELECT count(*) FROM pg_locks WHERE relation = 'points_balances'::regclass AND NOT granted`)
}

// An order is one transaction with its outbox row, and its key works as in the service.
func TestPlacing(t *testing.T) {
	t.Parallel()

	pool := stocked(t)
	if _, err := pool.Exec(t.Context(), broker.Outbox); err != nil {
		t.Fatal(err)
	}

	place := broker.Place(pool)
	first := flow.Placement{OrderID: uuid.Must(uuid.NewV7()), Key: "k", RequestHash: []byte("a"), Draft: draft("sku-1")}
	again, other, held, unknown := first, first, first, first
	again.OrderID, other.OrderID, held.OrderID, unknown.OrderID = uuid.New(), uuid.New(), uuid.New(), uuid.New()
	other.RequestHash = []byte("b")
	held.Key, held.Draft.Hold = "held", time.Hour
	unknown.Key, unknown.Draft = "unknown", draft("no such product")

	for name, c := range map[string]struct {
		placement flow.Placement
		code      order.Code
	}{"another body": {other, order.KeyReused}, "held": {held, order.InvalidLines}, "unknown sku": {unknown, order.UnknownSKU}} {
		if placed, err := place(t.Context(), first); err != nil || placed.Order.ID != first.OrderID || placed.Order.Total == 0 {
			t.Fatalf("placed %+v, %v", placed, err)
		}

		if _, err := place(t.Context(), c.placement); order.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}

	if placed, err := place(t.Context(), again); err != nil || !placed.Replayed || placed.Order.ID != first.OrderID {
		t.Errorf("again: %+v, %v", placed, err)
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders`:           1,
		`SELECT count(*) FROM order_lines`:      1,
		`SELECT count(*) FROM idempotency_keys`: 1,
		`SELECT count(*) FROM outbox`:           1,
		`SELECT count(*) FROM outbox JOIN orders ON order_id = orders.id AND outbox.xmin = orders.xmin`: 1,
		`SELECT count(*) FROM river_job`: 0,
	} {
		if n := dbtest.Count(t, pool, sql); n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
}

func draft(sku string) order.Draft {
	return order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: sku, Quantity: 1}}}
}

// stocked is a pool of a database with the products of the workload.
func stocked(t *testing.T) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	if err := scenario.Prepare(t.Context(), pool, scenario.Scenario{}); err != nil {
		t.Fatal(err)
	}

	return pool
}

// start runs a process of the recipe until the test has ended.
func start(t *testing.T, run func(context.Context) error) {
	t.Helper()

	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)

	go func() { ended <- run(ctx) }()

	t.Cleanup(func() {
		end()

		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

// open opens a channel.
func open(t *testing.T, rabbit string) *amqp.Channel {
	t.Helper()

	conn, err := amqp.Dial(rabbit)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })

	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}

	return channel
}

func freeAddress(t *testing.T) string {
	t.Helper()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	return listener.Addr().String()
}

func awaitReady(t *testing.T, url string) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(url) //nolint:noctx // a test's deadline is above
		if err == nil {
			response.Body.Close()

			if response.StatusCode == http.StatusOK {
				return
			}
		}

		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", url, err)
		}
	}
}

func eventually(t *testing.T, pool *pgxpool.Pool, want int, sql string) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); dbtest.Count(t, pool, sql) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", sql, dbtest.Count(t, pool, sql), want)
		}
	}
}
