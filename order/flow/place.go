package flow

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/db/groupcommit"
	"orders/db/idempotency"
	"orders/jobs"
	"orders/order"
)

// A Placement requests one order.
type Placement struct {
	Client      string    // who places it: keys and references belong to the client; empty for nobody
	OrderID     uuid.UUID // chosen by the caller, so that a second attempt finds the order of the first
	Draft       order.Draft
	Key         string // Idempotency-Key, empty for none
	RequestHash []byte // of the decoded request
}

// Placed is the order of a placement: a new one, or that of an earlier request with the
// same key.
type Placed struct {
	Order    order.Order
	Replayed bool
}

// Place prices the drafts from the catalogue and writes orders, lines, keys and the jobs
// of the steps. All of it is one transaction: an order that exists has its jobs, and a
// refused one leaves none behind. An item is refused alone if its draft cannot be priced,
// or if its key was used with another request.
//
// Orders that are placed together share the jobs of their steps, as many orders a job as
// [jobs.Defaults] says; [PlaceSharing] takes another number.
func Place(queue *Queue) groupcommit.Batch[Placement, Placed] {
	return PlaceSharing(queue, jobs.Defaults().OrdersPerJob)
}

// PlaceSharing is [Place] with at most ordersPerJob orders a job; 1 gives each order jobs of
// its own.
func PlaceSharing(queue *Queue, ordersPerJob int) groupcommit.Batch[Placement, Placed] {
	return func(ctx context.Context, tx pgx.Tx, items []Placement) ([]groupcommit.Result[Placed], error) {
		p := placing{
			items:   items,
			results: make([]groupcommit.Result[Placed], len(items)),
			fresh:   map[uuid.UUID]int{},
			reload:  map[uuid.UUID][]int{},
		}

		if err := p.price(ctx, tx); err != nil {
			return nil, err
		}

		for len(p.orders) > 0 || len(p.used) > 0 { // twice only if another client had a key first
			if err := p.write(ctx, tx, queue, ordersPerJob); err != nil {
				return nil, err
			}

			if err := p.settleUsed(ctx, tx); err != nil {
				return nil, err
			}
		}

		return p.results, p.load(ctx, tx)
	}
}

// placing is the work on one batch. Each item ends as a refusal, as the replay of an
// earlier order, or as a new order.
type placing struct {
	items   []Placement
	results []groupcommit.Result[Placed]
	fresh   map[uuid.UUID]int   // the items that are to become new orders, by the order's id
	orders  []db.NewOrder       // those of them that are to be written next
	used    []int               // items whose key or reference may have an order already
	reload  map[uuid.UUID][]int // orders that existed before, and the items whose results they are
}

// price makes orders of the drafts.
func (p *placing) price(ctx context.Context, tx pgx.Tx) error {
	var skus []string

	for i := range p.items {
		for _, line := range p.items[i].Draft.Lines {
			skus = append(skus, line.SKU)
		}
	}

	catalogue, now, err := db.Catalogue(ctx, tx, skus)
	if err != nil {
		return err
	}

	for i, item := range p.items {
		o, err := order.Price(item.Draft, catalogue, now)
		if err != nil {
			p.refuse(i, err)

			continue
		}

		o.ID = item.OrderID
		p.fresh[o.ID] = i
		p.orders = append(p.orders, db.NewOrder{
			Order: *o, Client: item.Client, Scope: idempotency.Shared, Key: item.Key, RequestHash: item.RequestHash,
		})
	}

	return nil
}

// refuse refuses an item. If the item's key has an order, that order replaces the refusal
// later.
func (p *placing) refuse(i int, err error) {
	p.results[i].Err = err

	if p.items[i].Key != "" {
		p.used = append(p.used, i)
	}
}

// write inserts the orders with their keys, and their jobs. A key that is not free belongs
// to an earlier request, to another item of this batch, or to another transaction.
func (p *placing) write(ctx context.Context, tx pgx.Tx, queue *Queue, ordersPerJob int) error {
	if len(p.orders) == 0 {
		return nil
	}

	chunks := chunksOf(p.orders, ordersPerJob)

	created, err := db.InsertOrders(ctx, tx, p.orders)
	if err != nil {
		return err
	}

	for _, n := range p.orders {
		i, o := p.fresh[n.ID], n.Order

		at, isNew := created[o.ID]

		switch {
		case isNew:
			o.CreatedAt, o.UpdatedAt = at, at

			for _, step := range order.Steps() {
				o.Steps = append(o.Steps, order.ProgressOf(step.Name, nil, nil))
			}

			p.results[i].Value.Order = o
		case n.Key != "" || n.Reference != "":
			p.used = append(p.used, i)
		default:
			p.reload[o.ID] = append(p.reload[o.ID], i)
		}
	}

	if err := event.Append(ctx, tx, event.Created, slices.Collect(maps.Keys(created))); err != nil {
		return err
	}

	return insertJobs(ctx, tx, queue, firstJobs(chunks, created))
}

// settleUsed replays the items whose keys are used, and refuses those whose references are.
// It reads them in statements of their own: the claim waited for the transaction that wrote
// the same key or reference, but its snapshot is older.
func (p *placing) settleUsed(ctx context.Context, tx pgx.Tx) error {
	var (
		keys       []idempotency.ID
		references []db.Reference
	)

	for _, i := range p.used {
		if item := p.items[i]; item.Key != "" {
			keys = append(keys, item.key())
		}

		if reference := p.items[i].reference(); reference.Name != "" && p.results[i].Err == nil {
			references = append(references, reference)
		}
	}

	found, err := idempotency.Find(ctx, tx, keys)
	if err != nil {
		return err
	}

	holders, err := db.FindReferences(ctx, tx, references)
	if err != nil {
		return err
	}

	return p.settle(ctx, tx, found, holders)
}

// settle decides about the items whose keys or references are used. A key that this batch
// claimed for an order which it did not write, because of the reference, becomes free again. An
// order whose key another client had first is to be written again, with a key of its own scope.
func (p *placing) settle(
	ctx context.Context, tx pgx.Tx, found map[idempotency.ID]idempotency.Record, holders map[db.Reference]uuid.UUID,
) error {
	var unused []idempotency.ID

	used, written := p.used, p.orders
	p.used, p.orders = nil, nil

	for _, i := range used {
		item := p.items[i]
		prior, taken := found[item.key()]
		holder, held := holders[item.reference()]
		_, ours := p.fresh[prior.OrderID]
		unwritten := ours && held && holder != prior.OrderID

		switch {
		case taken && prior.Foreign:
			if err := p.writeAgain(i, written); err != nil {
				return err
			}
		case taken && !unwritten:
			p.replay(i, prior)
		case held && holder == item.OrderID: // an earlier attempt of this call
			p.reload[holder] = append(p.reload[holder], i)
		case held:
			p.results[i].Err = referenceUsed(holder)

			if taken {
				unused = append(unused, item.key())
			}
		case p.results[i].Err == nil:
			return idempotency.ErrPruned
		}
	}

	return idempotency.Free(ctx, tx, unused)
}

func (p Placement) key() idempotency.ID { return idempotency.ID{Client: p.Client, Key: p.Key} }

func (p Placement) reference() db.Reference {
	return db.Reference{Client: p.Client, Name: p.Draft.Reference}
}

// writeAgain lets an order be written with a key of its client's own scope. An item that is
// refused stays refused: its client has not used the key.
func (p *placing) writeAgain(i int, written []db.NewOrder) error {
	for _, o := range written {
		if o.ID != p.items[i].OrderID {
			continue
		}

		if o.Scope != idempotency.Shared {
			return idempotency.ErrPruned
		}

		o.Scope = idempotency.OwnScope(o.Client)
		p.orders = append(p.orders, o)
	}

	return nil
}

func referenceUsed(by uuid.UUID) error {
	refusal := order.Errorf(order.ReferenceUsed, "The order %s has this reference; use another reference for another order.", by).
		At(order.Fieldf("reference", "expected a reference that no order has"))
	refusal.OrderID = by.String()

	return refusal
}

// replay gives an item the order that its key has.
func (p *placing) replay(i int, prior idempotency.Record) {
	item := &p.items[i]

	request := idempotency.Request{Key: item.Key, Operation: idempotency.PlaceOrder, Hash: item.RequestHash}
	if p.results[i].Err = request.Check(prior); p.results[i].Err != nil {
		return
	}

	// The item's own id under the key: an earlier attempt of this call, whose commit's outcome was unknown.
	p.results[i].Value.Replayed = prior.OrderID != item.OrderID
	p.reload[prior.OrderID] = append(p.reload[prior.OrderID], i)
}

// load reads the orders that existed before. The response says that they are durable, as if
// they were placed now.
func (p *placing) load(ctx context.Context, tx pgx.Tx) error {
	if len(p.reload) == 0 {
		return nil
	}

	ids := make([]uuid.UUID, 0, len(p.reload))
	for id := range p.reload {
		ids = append(ids, id)
	}

	if err := db.AwaitStandby(ctx, tx); err != nil {
		return err
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
