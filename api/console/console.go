// Package console serves the pages of operators: what the service does at the moment, orders,
// problems, queues, stock, points, audits, reports and actions.
//
// A page is a function that reads data, and a template. Pages work without scripts. A script
// replaces the parts of a page that are marked as live with those of the same page, read
// again. Forms are sent to routes that do what the API's operations do. They then redirect to
// a page (post, redirect, get). Each form has an id, so that one that is sent twice acts once.
package console

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
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
	Open         bool // no token is asked for, and everybody may do everything
}

// A Route is a page or an act, and who may use it.
type Route struct {
	Pattern string
	Roles   []access.Role
	Handler http.Handler
}

type console struct {
	Options
}

// Routes are those of all pages.
func Routes(o Options) []Route {
	c := &console{Options: o}
	routes := []Route{{"GET /console/assets/{name}", access.Public, http.HandlerFunc(serveAsset)}}

	get := func(path string, show page) {
		routes = append(routes, Route{"GET " + path, access.ToWatch, c.show(show)})
	}
	post := func(path string, do act, from page) {
		routes = append(routes, Route{"POST " + path, access.ToOperate, c.do(do, from)})
	}

	get("/console", c.overview)
	get("/console/{$}", c.overview)

	get("/console/orders", c.orders)
	get("/console/search", c.search)
	get("/console/orders/{id}", c.order)
	post("/console/orders/{id}/cancel", c.cancelOrder, c.order)

	get("/console/problems", c.problems)
	get("/console/problems/group", c.group)
	get("/console/problems/plan", c.plan)
	post("/console/problems/redrive", c.redriveGroup, c.group)
	post("/console/problems/resolve", c.resolveGroup, c.group)
	get("/console/redrives/{operation}", c.redrive)
	get("/console/problems/letters/{job}", c.letter)
	post("/console/problems/letters/{job}/redrive", c.redriveLetter, c.letter)
	post("/console/problems/letters/{job}/resolve", c.resolveLetter, c.letter)
	post("/console/problems/letters/{job}/reopen", c.reopenLetter, c.letter)

	return routes
}
