// Package console serves the pages of operators: what the service does at the moment, orders,
// problems, queues, stock, points, audits, reports and actions.
package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/console/letters"
	"orders/api/console/page"
	"orders/api/console/webhooks"
	"orders/order/flow"
)

// Options are what the console works with.
type Options struct {
	Pool         *pgxpool.Pool
	Queue        *flow.Queue // enqueues the jobs of redrives, and pauses queues
	Cancel       func(ctx context.Context, c flow.Cancellation) (flow.Changed, error)
	RedriveAfter []time.Duration // the delays before each automatic redrive
	Version      string
	RiverUI      bool // River UI is served, and pages link to it
	AllowPrivate bool // webhooks may have addresses that are not public
	Open         bool // no token is asked for, and everybody may do everything
}

func (o Options) site() *page.Site {
	return &page.Site{Version: o.Version, RiverUI: o.RiverUI, Open: o.Open}
}

type console struct {
	Options
}

// Routes are those of all pages.
func Routes(o Options) []page.Route {
	c, site := &console{Options: o}, o.site()

	return slices.Concat(letters.Routes(site, o.Pool, o.Queue),
		webhooks.Routes(site, webhooks.Options{Pool: o.Pool, Queue: o.Queue, AllowPrivate: o.AllowPrivate}), []page.Route{
			{Pattern: "GET /console/assets/{name}", Roles: access.Public, Handler: http.HandlerFunc(page.ServeAsset)},

			site.Get("/console", c.overview),
			site.Get("/console/{$}", c.overview),

			site.Get("/console/orders", c.orders),
			site.Get("/console/search", c.search),
			site.Get("/console/orders/{id}", c.order),
			site.Post("/console/orders/{id}/cancel", c.cancelOrder, c.order),

			site.Get("/console/queues", c.queues),
			site.Post("/console/queues/{queue}/pause", c.pauseQueue, c.queues),
			site.Post("/console/queues/{queue}/resume", c.resumeQueue, c.queues),

			site.Get("/console/stock", c.stock),
			site.Get("/console/stock/{sku}", c.product),
			site.Get("/console/points", c.points),
			site.Get("/console/audit", c.audit),
			site.Get("/console/reports", c.reports),
			site.Get("/console/reports/{name}", c.report),
			site.Get("/console/actions", c.actions),

			site.GetOperator("/console/tokens", c.tokens),
			site.PostShown("/console/tokens", c.createToken, c.tokens),
			site.Post("/console/tokens/{id}/revoke", c.revokeToken, c.tokens),
		})
}
