package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"orders/order"
	"orders/order/ordertest"
)

// model is what the acts should make of orders of one product, one after the other.
type model struct {
	stock  int64
	orders map[uuid.UUID]*modelOrder
}

type modelOrder struct {
	status   order.Status
	quantity int64
	held     bool
	paid     bool
	late     bool // past its deadline of payment
}

func (m *model) act(name string, ids []uuid.UUID) {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })

	for _, id := range ids {
		o := m.orders[id]

		switch {
		case name == "inventory" && o.status == order.Pending && o.quantity > m.stock:
			o.status = order.Rejected
		case name == "inventory" && o.status == order.Pending:
			m.stock -= o.quantity
			o.status = order.Confirmed

			if o.held && !o.paid {
				o.status = order.AwaitingPayment
			}
		case name == "pay" && o.status == order.AwaitingPayment && !o.late:
			o.status = order.Confirmed
		case name == "pay" && o.status == order.Pending && o.held && !o.late:
			o.paid = true
		case name == "cancel" && slices.Contains([]order.Status{order.Pending, order.AwaitingPayment, order.Confirmed}, o.status):
			m.end(o, order.Cancelled)
		case name == "expire" && o.late && slices.Contains([]order.Status{order.Pending, order.AwaitingPayment}, o.status):
			m.end(o, order.Expired)
		}
	}
}

func (m *model) end(o *modelOrder, to order.Status) {
	if o.status != order.Pending {
		m.stock += o.quantity
	}

	o.status = to
}

// Random acts over random batches, one after the other or meeting before the
// first has committed, are what the model makes of them in order of commit.
func TestActsAgreeWithTheModel(t *testing.T) {
	t.Parallel()

	const stock = 12

	b := ordertest.Setup(t, map[string]int64{"tea": stock})
	acts := acts(b)
	m := &model{stock: stock}

	rapid.Check(t, func(t *rapid.T) {
		m.orders = map[uuid.UUID]*modelOrder{}

		n := rapid.IntRange(1, 4).Draw(t, "orders")
		ids := make([]uuid.UUID, 0, n)

		for range n {
			o := &modelOrder{
				status: order.Pending, quantity: rapid.Int64Range(1, 6).Draw(t, "quantity"),
				held: rapid.Bool().Draw(t, "held"), late: rapid.Bool().Draw(t, "late"),
			}
			o.late = o.late && o.held

			var id uuid.UUID

			switch {
			case o.late:
				id = b.Held(-time.Second, ordertest.Line("tea", o.quantity))
			case o.held:
				id = b.Held(time.Hour, ordertest.Line("tea", o.quantity))
			default:
				id = b.Order(ordertest.Line("tea", o.quantity))
			}

			m.orders[id] = o
			ids = append(ids, id)
		}

		act := rapid.SampledFrom([]string{"inventory", "points", "notification", "pay", "cancel", "expire"})

		for range rapid.IntRange(1, 6).Draw(t, "moments") {
			first, second := act.Draw(t, "first"), act.Draw(t, "second")
			batch := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, len(ids), rapid.ID).Draw(t, "batch")

			if first == "points" || second == "points" { // enqueued for orders that are not held, or paid
				batch = slices.DeleteFunc(batch, func(id uuid.UUID) bool {
					return m.orders[id].held && m.orders[id].status != order.Confirmed
				})
			}

			meet(b, acts[first], acts[second], batch)
			m.act(first, slices.Clone(batch))
			m.act(second, slices.Clone(batch))
		}

		m.act("inventory", slices.Clone(ids))
		b.Settle(ids...)

		for id, o := range m.orders {
			if got := b.Read(id); got.Status != o.status {
				t.Fatalf("order is %s, the model says %s", got.Status, o.status)
			}
		}

		if got := int64(b.Count(`SELECT available FROM products`)); got != m.stock {
			t.Fatalf("%d available, the model says %d", got, m.stock)
		}

		for id := range m.orders { // the next round begins with the stock that the rest leaves
			if _, err := b.Cancel(id, "next round"); err == nil {
				m.act("cancel", []uuid.UUID{id})
			}
		}

		b.Invariants()
	})
}
