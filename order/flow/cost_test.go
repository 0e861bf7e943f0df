package flow_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// What an order costs in statements and round trips does not depend on the machine, nor on
// how many orders share a batch: a thousand in four batches cost as many as four alone.
func TestThousandOrdersCostAsManyStatementsAsFour(t *testing.T) {
	t.Parallel()

	const batches = 4

	// With BEGIN and COMMIT.
	want := map[string]work{
		"place":        {statements: 6, roundTrips: 3},
		"inventory":    {statements: 8, roundTrips: 2},
		"points":       {statements: 3, roundTrips: 2},
		"notification": {statements: 3, roundTrips: 2},
	}

	for _, size := range []int{1, 250} {
		t.Run(fmt.Sprintf("batches of %d", size), func(t *testing.T) {
			t.Parallel()

			b, c := setupCounted(t)

			takeThrough(b, c, size) // each connection prepares each statement once
			c.Reset()

			for range batches {
				for step, cost := range takeThrough(b, c, size) {
					if cost != want[step] {
						t.Errorf("%s: %+v, want %+v", step, cost, want[step])
					}
				}
			}

			if n := c.Transactions(); n != batches*int64(len(want)) {
				t.Errorf("%d transactions, want one a batch and step", n)
			}

			settled := b.Count(`SELECT count(*) FROM orders JOIN points_entries ON order_id = id JOIN notifications USING (order_id) WHERE status = 'confirmed'`)
			if settled != (batches+1)*size {
				t.Errorf("%d orders are settled, want %d", settled, (batches+1)*size)
			}
		})
	}
}

type work struct{ statements, roundTrips int64 }

func setupCounted(t *testing.T) (*ordertest.Bundle, *dbtest.Counter) {
	t.Helper()

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	config.MaxConns = 1
	c := dbtest.CountOn(config)

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	b := ordertest.On(t, pool, map[string]int64{"tea": 100_000, "mug": 100_000})

	b.InTx(func(tx pgx.Tx) error { // once, River asks what kind of Postgres it is
		return done(flow.Place(b.Queue)(t.Context(), tx, []flow.Placement{ordertest.Placement("", ordertest.Line("tea", 1))}))
	})

	c.Reset()

	return b, c
}

// takeThrough takes a batch of new orders through all steps and counts what each sends.
func takeThrough(b *ordertest.Bundle, c *dbtest.Counter, size int) map[string]work {
	b.T.Helper()

	placements := make([]flow.Placement, size)
	ids := make([]uuid.UUID, size)

	for i := range size {
		placements[i] = ordertest.Placement(uuid.NewString(), ordertest.Line("tea", 1), ordertest.Line("mug", 2))
		ids[i] = placements[i].OrderID
	}

	cost := map[string]work{}
	step := func(name string, do func(tx pgx.Tx) error) {
		before := work{c.Statements(), c.RoundTrips()}
		b.InTx(do)
		cost[name] = work{c.Statements() - before.statements, c.RoundTrips() - before.roundTrips}
	}

	step("place", func(tx pgx.Tx) error { return done(flow.Place(b.Queue)(b.T.Context(), tx, placements)) })
	for _, s := range order.Steps() {
		step(string(s.Name), func(tx pgx.Tx) error { return done(b.Step(s.Name)(b.T.Context(), tx, ids)) })
	}

	return cost
}

// done is the error of a batch, or the first of its items'.
func done[T any](results []groupcommit.Result[T], err error) error {
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}

	return err
}
