package console

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/console/page"
	"orders/db"
	"orders/db/gauge"
	"orders/order"
	"orders/order/flow"
	"orders/order/repair"
)

type queuesPage struct {
	Queues  []queueRow
	Counted bool // the rates are known
}

func (c *console) queues(r *http.Request) (page.View, error) {
	ctx := r.Context()
	var p queuesPage

	err := db.Snapshot(ctx, c.Pool, func(tx pgx.Tx) error {
		queues, at, err := gauge.Queues(ctx, tx)
		if err != nil {
			return err
		}

		flow, err := readRates(ctx, tx)
		p.Queues, p.Counted = queueRows(queues, at, flow), !flow.Final.IsZero()

		return err
	})

	return page.View{Template: "queues", Title: "Queues", Section: "queues", Refresh: 2, Data: p}, err
}

func (c *console) pauseQueue(r *http.Request) (string, error) {
	return "/console/queues?done=paused", c.changeQueue(r, repair.Pause)
}

func (c *console) resumeQueue(r *http.Request) (string, error) {
	return "/console/queues?done=resumed", c.changeQueue(r, repair.Resume)
}

func (c *console) changeQueue(r *http.Request, act func(context.Context, pgx.Tx, *flow.Queue, string, order.Actor) error) error {
	ctx := r.Context()

	return db.InTx(ctx, c.Pool, func(tx pgx.Tx) error {
		return act(ctx, tx, c.Queue, r.PathValue("queue"), access.Actor(ctx))
	})
}
