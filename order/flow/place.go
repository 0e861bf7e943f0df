package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// keyScope is whose Idempotency-Keys they are: those of placing.
const keyScope = "orders"

// A Placement asks for one order.
type Placement struct {
	OrderID     uuid.UUID // the caller's choice, so that a second try finds the first
	Draft       order.Draft
	Key         string // Idempotency-Key, empty for none
	RequestHash []byte // of the decoded request
}

// Placed is the order of a placement: new, or an earlier one with the same key.
type Placed struct {
	Order    order.Order
	Replayed bool
}

// Place prices the drafts from the catalogue and writes orders, lines, keys and
// the jobs of their steps: all of it in the one transaction, so that an order
// that is there has its work, and one that is not has none. Drafts that cannot be
// priced, and keys that stand for another request, are refused one by one.
func Place(queue *river.Client[pgx.Tx]) db.Batch[Placement, Placed] {
	return func(ctx context.Context, tx pgx.Tx, items []Placement) ([]db.Result[Placed], error) {
		p := placing{items: items, results: make([]db.Result[Placed], len(items)), reload: map[uuid.UUID][]int{}}

		if err := p.price(ctx, tx); err != nil {
			return nil, err
		}

		if err := p.claimKeys(ctx, tx); err != nil {
			return nil, err
		}

		if err := p.answerEarlier(ctx, tx); err != nil {
			return nil, err
		}

		if err := p.write(ctx, tx, queue); err != nil {
			return nil, err
		}

		return p.results, p.load(ctx, tx)
	}
}

// placing is one batch on its way: an item leaves it with a refusal, as the
// replay of an earlier order, or as a new one.
type placing struct {
	items   []Placement
	results []db.Result[Placed]
	fresh   []int               // items on their way to be a new order
	orders  []order.Order       // their orders, in the same sequence
	used    []int               // items whose key may have an order already
	reload  map[uuid.UUID][]int // orders that were there before, and the items that are to get them
}

// price makes orders of the drafts.
func (p *placing) price(ctx context.Context, tx pgx.Tx) error {
	var skus []string

	for i := range p.items {
		for _, line := range p.items[i].Draft.Lines {
			skus = append(skus, line.SKU)
		}
	}

	catalogue, err := db.Catalogue(ctx, tx, skus)
	if err != nil {
		return err
	}

	for i := range p.items {
		o, err := order.Price(p.items[i].Draft, catalogue)
		if err != nil {
			p.refuse(i, err)

			continue
		}

		o.ID = p.items[i].OrderID
		p.fresh = append(p.fresh, i)
		p.orders = append(p.orders, *o)
	}

	return nil
}

// refuse refuses an item, unless its key turns out to have an order already.
func (p *placing) refuse(i int, err error) {
	p.results[i].Err = err

	if p.items[i].Key != "" {
		p.used = append(p.used, i)
	}
}

// claimKeys writes the keys of the fresh items. One that is not free belongs to an
// earlier request, to a neighbour in this batch, or to another transaction, which
// has ended by the time the claim returns.
func (p *placing) claimKeys(ctx context.Context, tx pgx.Tx) error {
	var claims []db.Key

	for _, i := range p.fresh {
		if item := p.items[i]; item.Key != "" {
			claims = append(claims, db.Key{Key: item.Key, RequestHash: item.RequestHash, OrderID: item.OrderID})
		}
	}

	claimed, err := db.ClaimKeys(ctx, tx, keyScope, claims)
	if err != nil || len(claimed) == len(claims) {
		return err
	}

	fresh, orders := p.fresh, p.orders
	p.fresh, p.orders = nil, nil

	for n, i := range fresh {
		if item := p.items[i]; item.Key == "" || claimed[item.Key] == item.OrderID {
			p.fresh = append(p.fresh, i)
			p.orders = append(p.orders, orders[n])
		} else {
			p.used = append(p.used, i)
		}
	}

	return nil
}

// answerEarlier answers the items whose keys are used. It is a statement of its
// own: the claim waited for whoever wrote the same key, but could not see it.
func (p *placing) answerEarlier(ctx context.Context, tx pgx.Tx) error {
	keys := make([]string, len(p.used))
	for n, i := range p.used {
		keys[n] = p.items[i].Key
	}

	found, err := db.FindKeys(ctx, tx, keyScope, keys)
	if err != nil {
		return err
	}

	for _, i := range p.used {
		prior, taken := found[p.items[i].Key]

		switch {
		case taken:
			p.replay(i, prior)
		case p.results[i].Err == nil:
			return errors.New("idempotency key was neither free nor found: pruned in between")
		}
	}

	return nil
}

// replay answers an item with the order that its key already has.
func (p *placing) replay(i int, prior db.Key) {
	item := &p.items[i]
	p.results[i].Err = nil

	if !bytes.Equal(prior.RequestHash, item.RequestHash) {
		p.results[i].Err = order.Errorf(order.KeyReused,
			"This Idempotency-Key was sent with another request; use a new key for a new order.")

		return
	}

	// The item's own id under the key: an earlier try of this very call, whose commit's outcome was unknown.
	p.results[i].Value.Replayed = prior.OrderID != item.OrderID
	p.reload[prior.OrderID] = append(p.reload[prior.OrderID], i)
}

// write inserts the orders and their jobs.
func (p *placing) write(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx]) error {
	if len(p.fresh) == 0 {
		return nil
	}

	created, err := db.InsertOrders(ctx, tx, p.orders)
	if err != nil {
		return err
	}

	var work []river.InsertManyParams

	for n, i := range p.fresh {
		o := p.orders[n]

		at, isNew := created[o.ID]
		if !isNew {
			p.reload[o.ID] = append(p.reload[o.ID], i)

			continue
		}

		o.CreatedAt, o.UpdatedAt = at, at
		o.Steps = []order.Step{
			order.StepOf(order.Inventory, nil, nil),
			order.StepOf(order.Points, nil, nil),
			order.StepOf(order.Notification, nil, nil),
		}
		p.results[i].Value.Order = o
		work = append(work, jobs.ForNewOrder(o.ID, string(order.NoticeCreated), o.HoldUntil)...)
	}

	if len(work) == 0 {
		return nil
	}

	// COPY: fast, and right here only, as the jobs of an order that is new cannot collide with any.
	if _, err := queue.InsertManyFastTx(ctx, tx, work); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}

	return nil
}

// load reads the orders that were there before.
func (p *placing) load(ctx context.Context, tx pgx.Tx) error {
	if len(p.reload) == 0 {
		return nil
	}

	ids := make([]uuid.UUID, 0, len(p.reload))
	for id := range p.reload {
		ids = append(ids, id)
	}

	orders, err := db.Orders(ctx, tx, ids)
	if err != nil {
		return err
	}

	for _, o := range orders {
		for _, i := range p.reload[o.ID] {
			p.results[i].Value.Order = o
		}
	}

	return nil
}
