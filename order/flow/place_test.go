package flow_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"orders/order"
	"orders/order/ordertest"
)

func TestPlaceWritesOrderAndWorkTogether(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10, "mug": 10})

	placed, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 2), ordertest.Line("mug", 1)))
	if err != nil {
		t.Fatal(err)
	}

	o := placed.Order
	if placed.Replayed || o.Status != order.Pending || o.Total != 300 || o.Currency != "EUR" || len(o.Steps) != 3 {
		t.Errorf("placed %+v", placed)
	}

	if got := b.Read(o.ID); fmt.Sprint(got.CreatedAt, got.Total, got.UserID) != fmt.Sprint(o.CreatedAt, o.Total, o.UserID) || len(got.Lines) != 2 {
		t.Errorf("returned %+v\nwrote %+v", o, got)
	}

	for _, kind := range []string{"inventory", "points", "notification"} {
		if n := b.Count(`
			SELECT count(*)
			FROM river_job
			WHERE kind = $1 AND queue = $1 AND args->>'order_id' = $2 AND state = 'available' AND unique_key IS NOT NULL AND max_attempts = 10`,
			kind, o.ID.String()); n != 1 {
			t.Errorf("%d %s jobs", n, kind)
		}
	}
}

func TestPlaceRefusesItemsOneByOne(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})

	var callers sync.WaitGroup

	for i := range 60 {
		sku, want := "tea", order.Code("")
		if i%3 == 0 {
			sku, want = "no-such", order.UnknownSKU
		}

		callers.Go(func() {
			_, err := b.Place.Do(t.Context(), ordertest.Placement(fmt.Sprint("k-", i), ordertest.Line(sku, 1)))
			if want == "" && err != nil || want != "" && order.CodeOf(err) != want {
				t.Errorf("item %d: %v, want %q", i, err, want)
			}
		})
	}

	callers.Wait()

	if orders, keys, work := b.Count(`SELECT count(*) FROM orders`), b.Count(`SELECT count(*) FROM idempotency_keys`),
		b.Count(`SELECT sum(coalesce(jsonb_array_length(args -> 'order_ids'), 1)) FROM river_job`); orders != 40 || keys != 40 || work != 120 {
		t.Errorf("%d orders, %d keys, jobs for %d steps; want 40, 40, 120: a refused order leaves nothing", orders, keys, work)
	}
}

func TestPlaceReplaysAKey(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})

	first, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 1)))
	if err != nil {
		t.Fatal(err)
	}

	again, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 1)))
	if err != nil || !again.Replayed || again.Order.ID != first.Order.ID || len(again.Order.Lines) != 1 {
		t.Errorf("replay: %+v, %v", again, err)
	}

	if _, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 2))); order.CodeOf(err) != order.KeyReused {
		t.Errorf("another request under the key: %v", err)
	}

	if n := b.Count(`SELECT count(*) FROM orders`); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// A replay has the first result, even if the same draft would be refused now.
func TestPlaceReplaysAKeyWhoseDraftWouldBeRefusedNow(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10, "mug": 10})

	first, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 1), ordertest.Line("mug", 1)))
	if err != nil {
		t.Fatal(err)
	}

	b.Exec(`UPDATE products SET currency = 'USD' WHERE sku = 'mug'`)

	again, err := b.Place.Do(t.Context(), ordertest.Placement("k", ordertest.Line("tea", 1), ordertest.Line("mug", 1)))
	if err != nil || !again.Replayed || again.Order.ID != first.Order.ID {
		t.Errorf("replay: %+v, %v", again, err)
	}

	if _, err := b.Place.Do(t.Context(), ordertest.Placement("k-2", ordertest.Line("tea", 1), ordertest.Line("mug", 1))); order.CodeOf(err) != order.MixedCurrencies {
		t.Errorf("a new request: %v", err)
	}
}

// Two requests at the same moment under one key meet in one batch, or in two
// transactions of one process, or of two.
func TestPlaceMakesOneOrderOfAKeyRacedFor(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 1000})
	other := ordertest.On(t, b.Pool, nil)

	const keys, racers = 20, 8

	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		ids     = map[string]map[uuid.UUID]int{}
		fresh   = map[string]int{}
	)

	for n := range keys * racers {
		key, place := fmt.Sprint("k-", n%keys), []*ordertest.Bundle{b, other}[n%2].Place

		callers.Go(func() {
			placed, err := place.Do(t.Context(), ordertest.Placement(key, ordertest.Line("tea", 1)))
			if err != nil {
				t.Errorf("%s: %v", key, err)

				return
			}

			mu.Lock()
			defer mu.Unlock()

			if ids[key] == nil {
				ids[key] = map[uuid.UUID]int{}
			}

			ids[key][placed.Order.ID]++

			if !placed.Replayed {
				fresh[key]++
			}
		})
	}

	callers.Wait()

	for key, got := range ids {
		if len(got) != 1 || fresh[key] != 1 {
			t.Errorf("%s: orders %v, %d of the results not replayed; want one order, one of them", key, got, fresh[key])
		}
	}

	if n := b.Count(`SELECT count(*) FROM orders`); n != keys {
		t.Errorf("%d orders for %d keys", n, keys)
	}
}
