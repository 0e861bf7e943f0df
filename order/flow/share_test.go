package flow_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// together places n orders in one transaction, at most ordersPerJob of them a job, and
// returns their ids in order. edit changes the nth placement.
func together(b *ordertest.Bundle, n, ordersPerJob int, edit func(n int, p *flow.Placement)) []uuid.UUID {
	b.T.Helper()

	placements, ids := make([]flow.Placement, n), make([]uuid.UUID, n)
	for i := range placements {
		placements[i] = ordertest.Placement("", ordertest.Line("tea", 1))
		ids[i] = placements[i].OrderID

		if edit != nil {
			edit(i, &placements[i])
		}
	}

	b.InTx(func(tx pgx.Tx) error {
		return done(flow.PlaceSharing(b.Queue, ordersPerJob)(b.T.Context(), tx, placements))
	})

	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })

	return ids
}

func TestOrdersThatArePlacedTogetherShareJobs(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 1_000})
	ids := together(b, 300, 256, nil)

	for _, chunk := range [][]uuid.UUID{ids[:256], ids[256:]} {
		if n := b.Count(`SELECT count(*) FROM orders WHERE batch_id = $1`, chunk[0]); n != len(chunk) {
			t.Errorf("%d orders have the batch of a chunk of %d", n, len(chunk))
		}

		for _, step := range order.Steps() {
			if n := b.Count(`
				SELECT count(*)
				FROM river_job
				WHERE kind = $1 || '_batch'
					AND queue = $1
					AND state = 'available'
					AND max_attempts = 10
					AND args ->> 'batch_id' = $2
					AND args -> 'order_ids' = to_jsonb($3::uuid[])
					AND coalesce(args ->> 'template', '') = $4
					AND unique_key = batch_job_key($1, $2::uuid)`, step.Name, chunk[0].String(), chunk, step.Template); n != 1 {
				t.Errorf("%d shared %s jobs of a chunk", n, step.Name)
			}
		}
	}

	if n := b.Count(`SELECT count(*) FROM river_job`); n != 2*len(order.Steps()) {
		t.Errorf("%d jobs", n)
	}
}

// A lone order, or a chunk of one, has jobs of its own, as all orders had before.
func TestAChunkOfOneOrderHasJobsOfItsOwn(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 1_000})

	for name, place := range map[string]func(){
		"alone":          func() { together(b, 1, 256, nil) },
		"the last of 3":  func() { together(b, 3, 2, nil) },
		"one a job":      func() { together(b, 4, 1, nil) },
		"nothing is set": func() { together(b, 2, 0, nil) },
	} {
		want := map[string][2]int{"alone": {1, 0}, "the last of 3": {1, 2}, "one a job": {4, 0}, "nothing is set": {2, 0}}[name]

		b.Exec(`TRUNCATE orders, river_job`)
		place()

		own, sharing := b.Count(`SELECT count(*) FROM orders WHERE batch_id IS NULL`), b.Count(`SELECT count(*) FROM orders WHERE batch_id IS NOT NULL`)
		if own != want[0] || sharing != want[1] {
			t.Errorf("%s: %d orders have jobs of their own, %d share; want %v", name, own, sharing, want)
		}

		if n := b.Count(`SELECT count(*) FROM river_job WHERE args ? 'order_id' AND NOT kind LIKE '%batch'`); n != 3*want[0] {
			t.Errorf("%s: %d jobs of one order", name, n)
		}
	}
}

// Held orders get their points when they are paid, by jobs of their own. A step that is due
// for one order of a chunk only is no shared job.
func TestHeldOrdersShareOnlyWhatIsDue(t *testing.T) {
	t.Parallel()

	for held, want := range map[int]string{
		1: "expire:1 inventory_batch:4 notification_batch:4 points_batch:3",
		3: "expire:1 expire:1 expire:1 inventory_batch:4 notification_batch:4 points:1",
		4: "expire:1 expire:1 expire:1 expire:1 inventory_batch:4 notification_batch:4",
	} {
		b := ordertest.Setup(t, map[string]int64{"tea": 1_000})
		ids := together(b, 4, 256, func(n int, p *flow.Placement) {
			if n < held {
				p.Draft.Hold = time.Hour
			}
		})

		var jobs string

		err := b.Pool.QueryRow(t.Context(), `
			SELECT string_agg(kind || ':' || coalesce(jsonb_array_length(args -> 'order_ids'), 1), ' ' ORDER BY kind)
			FROM river_job`).Scan(&jobs)
		if err != nil || jobs != want {
			t.Errorf("with %d held orders: %s, %v; want %s", held, jobs, err, want)
		}

		if n := b.Count(`SELECT count(*) FROM open_steps`); n != 0 {
			t.Errorf("%d open steps", n)
		}

		b.Settle(ids...)

		for i, id := range ids[:held] {
			if _, err := b.Pay(id, "p-"+id.String()); err != nil {
				t.Errorf("pay order %d: %v", i, err)
			}

			if n := b.Count(`SELECT count(*) FROM live_jobs WHERE unique_key = job_key('points', $1)`, id); n != 1 {
				t.Errorf("a paid order has %d points jobs of its own", n)
			}
		}
	}
}

// An order finds the job that it shares: nothing is missing while that lives, and all that
// the order has not done is missing when that has ended.
func TestASharedJobIsWhatWillDoTheStep(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 1_000})
	ids := together(b, 3, 256, nil)

	b.Apply(order.Points, ids[0])
	b.Invariants()

	b.Exec(`UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind = 'points_batch'`)

	if n := b.Count(`SELECT count(*) FROM open_steps WHERE step = 'points' AND order_id = ANY($1)`, ids[1:]); n != 2 {
		t.Errorf("%d of 2 missing jobs are seen", n)
	}

	if n := b.Count(`SELECT count(*) FROM open_steps`); n != 2 {
		t.Errorf("%d open steps, want 2", n)
	}
}
