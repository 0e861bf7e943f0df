// Package api is the HTTP side: huma operations by resource on the standard mux,
// and what surrounds them.
//
//	request ─► observe ─► recoverPanics ─► cross-origin check ─► headers ─► mux ─► guard ─► operation
//	           (id, log)                                                  (404, 405) (query, types, body)
//
// Those that change orders are limited in flight, and placing by the backlog of work.
//
// Operations return plain errors. One place, [problemOf], turns them into RFC
// 9457 problems by the table in codes.go; a text that is not meant for clients
// never gets past it.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"orders/order"
	"orders/order/flow"
)

// Bounds of a request. Headers and idle connections are bounded by the server it comes from.
const (
	requestTimeout = 15 * time.Second // of the work, the reading of the body apart
	bodyTimeout    = 5 * time.Second  // to send the body
	maxOrderBody   = 64 << 10         // 200 lines of the longest skus, four times
	maxSmallBody   = 4 << 10
	maxConsoleBody = 1 << 20 // of River UI's own API
)

// Options are what the API works with.
type Options struct {
	Pool    *pgxpool.Pool
	Place   func(ctx context.Context, p flow.Placement) (flow.Placed, error) // places an order together with others
	Cancel  func(ctx context.Context, c flow.Cancellation) (order.Order, error)
	Pay     func(ctx context.Context, p flow.Payment) (order.Order, error)
	Queue   *river.Client[pgx.Tx]           // enqueues what is redriven
	Watch   *Watch                          // for streams; closed by its owner
	RiverUI http.Handler                    // served under /riverui/; nil for none
	Ready   func(ctx context.Context) error // why no work can be done, nil when it can
	Log     *slog.Logger
	Version string

	Pressure     *Pressure       // refuses orders while work waits too long; nil for never
	RedriveAfter []time.Duration // when the sweep redrives dead letters, to tell of
}

// service holds what operations need.
type service struct {
	Options

	api      huma.API
	inFlight inFlight
}

// New makes the handler of the whole HTTP side.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	s := newService(o, mux)
	s.servePages(mux)

	return observe(o.Log, recoverPanics(sameOrigin(secureHeaders(routed(mux)))))
}

func newService(o Options, mux *http.ServeMux) *service {
	teachHuma()

	s := &service{Options: o, api: humago.New(mux, config(o.Version))}
	s.api.UseMiddleware(guard)

	components(s.api.OpenAPI().Components)

	s.registerOrders()
	s.registerLifecycle()
	s.registerTimeline()
	s.registerWhy()
	s.registerEvents()
	s.registerProducts()
	s.registerCustomers()
	s.registerDeadLetters()
	s.registerRedrives()
	s.registerWorkers()
	s.registerAudit()
	s.registerHealth()

	return s
}

// teachHuma replaces what huma keeps in globals.
var teachHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return humaProblem(context.Background(), status, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return humaProblem(ctx.Context(), status, errs)
	}

	// {"quantity":1,"QUANTITY":5000} would pass a maximum of 1000 and then be decoded as 5000.
	huma.ValidateStrictCasing = true
})

// config is huma's, without what it would add by itself: $schema links, which
// carry the request's Host, and pages that load their scripts from elsewhere.
func config(version string) huma.Config {
	c := huma.DefaultConfig("Orders", version)
	c.CreateHooks = nil
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.RejectUnknownQueryParameters = true
	// Answers may gain fields; bodies say themselves that they take no others.
	c.AllowAdditionalPropertiesByDefault = true
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON} // json: for problem+json
	c.Info.Description = description()
	c.Servers = []*huma.Server{{URL: "/", Description: "Where this document comes from"}}
	c.Tags = tags
	c.OnAddOperation = []huma.AddOpFunc{describeHeaders}

	return c
}
