package flow_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/groupcommit"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// placementOf is a placement of a client.
func placementOf(client, key, reference string) flow.Placement {
	p := referring(key, reference)
	p.Client = client

	return p
}

// Two clients may use one Idempotency-Key and one reference: in one transaction, and one after
// the other. Each finds its own order again.
func TestKeysAndReferencesOfOrdersBelongToTheirClient(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	place := func(items ...flow.Placement) (results []groupcommit.Result[flow.Placed]) {
		b.InTx(func(tx pgx.Tx) (err error) {
			results, err = flow.Place(b.Queue)(t.Context(), tx, items)

			return err
		})

		return results
	}

	before := placementOf("", "before", "")
	place(before) // as programs of the release before do

	shop, mall, kiosk := placementOf("shop", "k", "web-1"), placementOf("mall", "k", "web-1"), placementOf("kiosk", "k", "web-1")
	place(shop, mall)
	place(kiosk)

	again := func(p flow.Placement) flow.Placement {
		p.OrderID = uuid.Must(uuid.NewV7())

		return p
	}

	upgraded := again(before)
	upgraded.Client = "shop"

	items := []flow.Placement{again(mall), again(shop), again(kiosk), upgraded}
	results := place(items...)

	for i, want := range []uuid.UUID{mall.OrderID, shop.OrderID, kiosk.OrderID, before.OrderID} {
		if r := results[i]; r.Err != nil || !r.Value.Replayed || r.Value.Order.ID != want {
			t.Errorf("%s: %+v, want order %s", items[i].Client, r, want)
		}
	}

	// A used reference is refused, and its key stays free; each refusal names the client's own order.
	results = place(placementOf("mall", "other", "web-1"), placementOf("shop", "other", "web-1"))
	for i, want := range []uuid.UUID{mall.OrderID, shop.OrderID} {
		if holderOf(results[i].Err) != want {
			t.Errorf("%d: %v, want order %s", i, results[i].Err, want)
		}
	}

	if n := b.Count(`SELECT count(*) FROM orders`); n != 4 {
		t.Errorf("%d orders", n)
	}

	if got := b.Count(`SELECT count(*) FROM idempotency_keys WHERE key = 'other'`); got != 0 {
		t.Errorf("%d keys of refused orders", got)
	}

	for _, p := range []flow.Placement{shop, mall, kiosk} {
		if n := b.Count(`SELECT count(*) FROM orders WHERE id = $1 AND client = $2`, p.OrderID, p.Client); n != 1 {
			t.Errorf("the order of %s has not its client", p.Client)
		}
	}
}

// Many requests of two clients with one key, at the same moment: one order each.
func TestClientsRaceForAKey(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	done := make(chan error)

	for n := range 20 {
		go func() {
			_, err := b.Place.Do(t.Context(), placementOf([]string{"shop", "mall"}[n%2], "k", ""))
			done <- err
		}()
	}

	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}

	if n := b.Count(`SELECT count(*) FROM orders`); n != 2 {
		t.Errorf("%d orders of two clients", n)
	}
}

// Two clients may use one payment reference. A payment pays for one order of its client, and
// money that an order does not take is to be returned, to each client its own.
func TestPaymentReferencesBelongToTheirClient(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 100})
	orders := make([]uuid.UUID, 5)

	for i := range orders {
		orders[i] = b.Held(time.Hour, ordertest.Line("tea", 1))
		b.Apply(order.Inventory, orders[i])
	}

	for _, c := range []struct {
		client, reference string
		order             int
		code              order.Code
	}{
		{"shop", "p-1", 0, ""},
		{"mall", "p-1", 1, ""},
		{"mall", "p-1", 1, ""},                  // again
		{"", "p-1", 1, ""},                      // a program of before sends it again
		{"shop", "p-1", 1, order.PaymentReused}, // another client has paid
		{"shop", "p-1", 2, order.PaymentReused}, // it has paid for another order
		{"mall", "p-1", 2, order.PaymentReused},
		{"", "p-1", 3, ""},                       // a program of before
		{"kiosk", "p-1", 4, order.PaymentReused}, // the reference may be that one
		{"kiosk", "p-2", 0, order.PaymentReused}, // money that is to be returned
		{"mall", "p-2", 0, order.PaymentReused},  // other money that is to be returned
	} {
		_, err := b.PayAmount(orders[c.order], order.Payment{Client: c.client, Reference: c.reference})
		if (err != nil) != (c.code != "") || err != nil && order.CodeOf(err) != c.code {
			t.Errorf("%s pays for order %d: %v, want %q", c.client, c.order, err, c.code)
		}
	}

	if n := b.Count(`SELECT count(*) FROM payments`); n != 3 {
		t.Errorf("%d payments", n)
	}

	if n := b.Count(`SELECT count(DISTINCT client) FROM refunds WHERE reference = 'p-2'`); n != 2 {
		t.Errorf("%d refunds", n)
	}

	if _, err := b.Cancel(orders[0], ""); err != nil {
		t.Error(err)
	}

	b.Invariants()
}
