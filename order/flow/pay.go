package flow

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/action"
	"orders/db/groupcommit"
	"orders/db/idempotency"
	"orders/db/payment"
	"orders/order"
)

// A Payment says that a held order has been paid.
type Payment struct {
	OrderID uuid.UUID
	order.Payment

	Actor   order.Actor
	Request idempotency.Request
}

// Pay confirms the held orders that are paid, and enqueues the steps that become due by it. If
// an order is still pending, its payment is kept, and the order is confirmed when its stock is
// reserved. The same payment again is a replay and changes nothing. [order.Order.Accept] and
// [order.Order.AcceptAgain] say what is refused. The money of a refused payment must be
// returned, which is recorded.
//
// A payment with a key happens once; again, its result is the order as it is then.
func Pay(queue *Queue) groupcommit.Batch[Payment, Changed] {
	return idempotency.Batch(
		func(p Payment) idempotency.Request { return p.Request }, pay(queue),
		unchanged(func(p Payment) uuid.UUID { return p.OrderID }),
	)
}

func pay(queue *Queue) groupcommit.Batch[Payment, Changed] {
	return func(ctx context.Context, tx pgx.Tx, items []Payment) ([]groupcommit.Result[Changed], error) {
		ids := make([]uuid.UUID, len(items))
		for i, item := range items {
			ids[i] = item.OrderID
		}

		return lifecycle(ctx, tx, ids, func(locked map[uuid.UUID]*order.Order, results []groupcommit.Result[Changed]) error {
			p := paying{items: items, locked: locked, results: results}

			return p.pay(ctx, tx, queue, ids)
		})
	}
}

// paying is the work on one batch.
type paying struct {
	items   []Payment
	locked  map[uuid.UUID]*order.Order
	results []groupcommit.Result[Changed]
	now     time.Time
	paid    map[uuid.UUID]order.Payment // what has paid for the orders
}

func (p *paying) pay(ctx context.Context, tx pgx.Tx, queue *Queue, ids []uuid.UUID) (err error) {
	if p.paid, err = payment.Of(ctx, tx, ids); err != nil {
		return err
	}

	if p.now, err = db.Now(ctx, tx); err != nil {
		return err
	}

	before := maps.Clone(p.paid)

	left := make([]int, len(p.items))
	for i := range p.items {
		left[i] = i
	}

	for len(left) > 0 { // more than once only if an order has several payments in the batch
		var accepted []int

		accepted, left = p.decide(left)

		if err := p.write(ctx, tx, accepted); err != nil {
			return err
		}
	}

	if err := p.keepRefused(ctx, tx); err != nil {
		return err
	}

	var fresh []order.Order

	for id := range p.paid {
		if _, known := before[id]; !known {
			fresh = append(fresh, *p.locked[id])
		}
	}

	return confirmPaid(ctx, tx, queue, fresh)
}

// decide takes the first payment for each order that is not paid, and refuses or replays the
// others. Payments behind one that is taken are left until that is written.
func (p *paying) decide(items []int) (accepted, left []int) {
	taken := map[uuid.UUID]bool{}

	for _, i := range items {
		o, sent := p.locked[p.items[i].OrderID], p.items[i].Payment
		if o == nil {
			continue
		}

		first, paid := p.paid[o.ID]

		switch result := &p.results[i]; {
		case paid:
			result.Err = o.AcceptAgain(sent, first)
			result.Value.Replayed = true
		case taken[o.ID]:
			left = append(left, i)
		default:
			if result.Err = o.Accept(sent, p.now); result.Err == nil {
				accepted, taken[o.ID] = append(accepted, i), true
			}
		}
	}

	return accepted, left
}

// write writes payments with their actors, and refuses those whose references have paid for
// other orders.
func (p *paying) write(ctx context.Context, tx pgx.Tx, items []int) error {
	payments := make([]payment.Payment, len(items))

	for n, i := range items {
		item := p.items[i]
		kept := p.locked[item.OrderID].Status == order.Pending
		payments[n] = payment.Payment{OrderID: item.OrderID, Payment: item.Payment, Kept: kept}
	}

	elsewhere, err := payment.Write(ctx, tx, payments)
	if err != nil {
		return err
	}

	var actions []action.Action

	for _, i := range items {
		item := p.items[i]
		if other, reused := elsewhere[payment.ReferenceOf(item.Payment)]; reused && other != item.OrderID {
			p.results[i].Err = order.Errorf(order.PaymentReused,
				"The reference %q has paid for order %s; a payment pays for one order.", item.Reference, other)

			continue
		}

		o := p.locked[item.OrderID]
		p.paid[item.OrderID] = item.Payment
		actions = append(actions, actOn(o, action.PayOrder, item.Actor, map[string]any{"from": o.Status}))
	}

	return action.Record(ctx, tx, actions...)
}

// keepRefused records the payments that were refused: their money must be returned. A
// reference that pays for an order now was refused before for another, or with another amount.
func (p *paying) keepRefused(ctx context.Context, tx pgx.Tx) error {
	var (
		refused []payment.Payment
		taken   []payment.Reference
	)

	for i, item := range p.items {
		switch {
		case p.locked[item.OrderID] == nil:
		case p.results[i].Err != nil:
			refused = append(refused, payment.Payment{OrderID: item.OrderID, Payment: item.Payment})
		case !p.results[i].Value.Replayed:
			taken = append(taken, payment.ReferenceOf(item.Payment))
		}
	}

	if err := payment.RecordRefused(ctx, tx, refused); err != nil {
		return err
	}

	return payment.ForgetRefused(ctx, tx, taken)
}

// confirmPaid moves those of the paid orders that await their payment. The others stay
// pending until their stock is reserved.
func confirmPaid(ctx context.Context, tx pgx.Tx, queue *Queue, paid []order.Order) error {
	var (
		orders []order.Order
		moves  []db.Move
	)

	for _, o := range paid {
		to, err := o.Status.Next(order.Pay)
		if err != nil {
			return err
		}

		if to != o.Status {
			orders, moves = append(orders, o), append(moves, db.Move{OrderID: o.ID, To: to})
		}
	}

	return advance(ctx, tx, queue, orders, moves)
}
