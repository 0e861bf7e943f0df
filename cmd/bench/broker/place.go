package broker

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/flow"
)

// place places one order in a transaction of its own.
func place(pool *pgxpool.Pool) func(context.Context, flow.Placement) (flow.Placed, error) {
	return func(ctx context.Context, p flow.Placement) (placed flow.Placed, err error) {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
			placed, err = placeInTx(ctx, tx, p)

			return err
		})

		return placed, db.Error(err)
	}
}

func placeInTx(ctx context.Context, tx pgx.Tx, p flow.Placement) (placed flow.Placed, err error) {
	if p.Draft.Hold != 0 {
		return placed, order.Errorf(order.InvalidLines, "This server does not hold orders; leave hold_seconds out.")
	}

	skus := make([]string, len(p.Draft.Lines))
	for i, line := range p.Draft.Lines {
		skus[i] = line.SKU
	}

	catalogue, _, err := db.Catalogue(ctx, tx, skus)
	if err != nil {
		return placed, err
	}

	o, err := order.Price(p.Draft, catalogue, time.Time{}) // the moment is for orders that are held
	if err != nil {
		return placed, err
	}

	o.ID = p.OrderID

	created, err := db.InsertOrders(ctx, tx, []db.NewOrder{
		{Order: *o, Scope: idempotency.Shared, Key: p.Key, RequestHash: p.RequestHash},
	})
	if err != nil {
		return placed, err
	}

	at, isNew := created[o.ID]
	if !isNew {
		return replay(ctx, tx, p)
	}

	o.CreatedAt, o.UpdatedAt = at, at

	for _, step := range order.Steps() {
		o.Steps = append(o.Steps, order.ProgressOf(step.Name, nil, nil))
	}

	_, err = tx.Exec(ctx, `INSERT INTO outbox (order_id) VALUES ($1)`, o.ID)

	return flow.Placed{Order: *o}, err
}

// replay finds the order of an Idempotency-Key that was used before.
func replay(ctx context.Context, tx pgx.Tx, p flow.Placement) (placed flow.Placed, err error) {
	id := idempotency.ID{Key: p.Key}

	found, err := idempotency.Find(ctx, tx, []idempotency.ID{id})
	if err != nil {
		return placed, err
	}

	request := idempotency.Request{Key: p.Key, Operation: idempotency.PlaceOrder, Hash: p.RequestHash}
	if err := request.Check(found[id]); err != nil {
		return placed, err
	}

	placed.Replayed = true
	placed.Order, err = db.Order(ctx, tx, found[id].OrderID)

	return placed, err
}
