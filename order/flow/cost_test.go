package flow_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/order"
	"orders/order/flow"
)

// counter counts what goes to Postgres.
type counter struct {
	statements, transactions atomic.Int64
}

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	switch {
	case strings.Contains(query.SQL, "PGNotifyMany"): // at most one in 10 ms, by River's clock
	case query.SQL == "commit":
		c.transactions.Add(1)

		fallthrough
	default:
		c.statements.Add(1)
	}

	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	c.statements.Add(1)

	return ctx
}

func (*counter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// What an order costs in statements does not depend on the machine, nor on how
// many orders share a batch: a thousand in four batches cost as many as four alone.
func TestThousandOrdersCostAsManyStatementsAsFour(t *testing.T) {
	t.Parallel()

	const batches = 4

	// With BEGIN and COMMIT, which are a third of them.
	want := map[string]int64{"place": 7, "reserve": 7, "award": 3, "notify": 3}

	for _, size := range []int{1, 250} {
		t.Run(fmt.Sprintf("batches of %d", size), func(t *testing.T) {
			t.Parallel()

			b, c := setupCounted(t)

			for range batches {
				for step, cost := range b.takeThrough(c, size) {
					if cost != want[step] {
						t.Errorf("%s: %d statements, want %d", step, cost, want[step])
					}
				}
			}

			if n := c.transactions.Load(); n != batches*int64(len(want)) {
				t.Errorf("%d transactions, want one a batch and step", n)
			}

			settled := b.count(`SELECT count(*) FROM orders JOIN points_entries ON order_id = id JOIN notifications USING (order_id) WHERE status = 'confirmed'`)
			if settled != batches*size {
				t.Errorf("%d orders are settled, want %d", settled, batches*size)
			}
		})
	}
}

func setupCounted(t *testing.T) (*bundle, *counter) {
	t.Helper()

	c := &counter{}

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	config.ConnConfig.Tracer = c

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	b := setupOn(t, pool, map[string]int64{"tea": 100_000, "mug": 100_000})

	b.inTx(func(tx pgx.Tx) error { // once, River asks what kind of Postgres it is
		return done(flow.Place(b.queue)(t.Context(), tx, []flow.Placement{placement("", line("tea", 1))}))
	})

	c.statements.Store(0)
	c.transactions.Store(0)

	return b, c
}

// takeThrough takes a batch of new orders through all steps and tells the statements of each.
func (b *bundle) takeThrough(c *counter, size int) map[string]int64 {
	b.t.Helper()

	placements := make([]flow.Placement, size)
	notices := make([]db.Notice, size)
	ids := make([]uuid.UUID, size)

	for i := range size {
		placements[i] = placement(uuid.NewString(), line("tea", 1), line("mug", 2))
		ids[i] = placements[i].OrderID
		notices[i] = db.Notice{OrderID: ids[i], Template: order.NoticeCreated}
	}

	cost := map[string]int64{}
	step := func(name string, do func(tx pgx.Tx) error) {
		before := c.statements.Load()
		b.inTx(do)
		cost[name] = c.statements.Load() - before
	}

	step("place", func(tx pgx.Tx) error { return done(flow.Place(b.queue)(b.t.Context(), tx, placements)) })
	step("reserve", func(tx pgx.Tx) error { return done(flow.Reserve(b.t.Context(), tx, ids)) })
	step("award", func(tx pgx.Tx) error { return done(flow.Award(b.t.Context(), tx, ids)) })
	step("notify", func(tx pgx.Tx) error { return done(flow.Notify(b.t.Context(), tx, notices)) })

	return cost
}

// done is the error of a batch, or the first of its items'.
func done[T any](results []db.Result[T], err error) error {
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}

	return err
}
