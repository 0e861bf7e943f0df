// Package api is the HTTP side: huma operations by resource on the standard mux. Those for
// operators are in api/operator. What a request passes before an operation is in
// api/middleware. How an operation is declared is in api/operation.
//
// Operations return plain errors, which api/problem turns into RFC 9457 problems. The
// request and response types here and in api/operator are the wire contract. Types of db
// and order are not: functions named XOf convert them.
//
// Requests that change orders are limited in number, and placing is refused while work
// waits too long: see api/admission.
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

	"orders/api/access"
	"orders/api/admission"
	"orders/api/console"
	"orders/api/customer"
	"orders/api/feed"
	"orders/api/middleware"
	"orders/api/operation"
	"orders/api/operator"
	"orders/api/problem"
	"orders/api/stream"
	"orders/api/webhook"
	"orders/db/clock"
	"orders/order/flow"
)

// Bounds of bodies. The server bounds headers and idle connections.
const (
	maxOrderBody    = 64 << 10         // bytes: four times 200 lines with the longest skus
	maxConsoleBody  = 1 << 20          // bytes, of River UI's own API
	consolePatience = 10 * time.Second // for a body of River UI's own API to arrive
)

// Options are what the API works with.
type Options struct {
	Pool    *pgxpool.Pool
	Place   func(ctx context.Context, p flow.Placement) (flow.Placed, error) // places an order, in one transaction with others
	Cancel  func(ctx context.Context, c flow.Cancellation) (flow.Changed, error)
	Pay     func(ctx context.Context, p flow.Payment) (flow.Changed, error)
	Queue   *river.Client[pgx.Tx]           // enqueues the jobs of redrives
	Watch   *stream.Watch                   // for streams; its owner closes it
	RiverUI http.Handler                    // served under /riverui/; nil for none
	Ready   func(ctx context.Context) error // why requests cannot be served; nil when they can
	Clock   *clock.Clock                    // the database's; nil for this machine's
	Warns   func() []string                 // what operators should know although requests can be served; nil for nothing
	Metrics http.Handler                    // served at /metrics; nil for none
	Log     *slog.Logger
	Version string
	Origins []string // of the sites whose pages may use the API; none by default

	Observed     func(middleware.Exchange) // is told of each request; nil for nobody
	Keys         *access.Keyring           // the tokens that requests need; nil if none is asked for
	Hosts        []string                  // without Keys: names that requests may be for, beside those of this machine
	Admission    *admission.Controller     // refuses orders while work waits too long; nil to refuse none
	Refused      admission.Count           // counts what the in-flight limit refuses; nil for nothing
	AllowPrivate bool                      // webhooks may have addresses that are not public
	RedriveAfter []time.Duration           // the delays before each automatic redrive, to tell clients
}

// service holds what operations need.
type service struct {
	Options

	api      huma.API
	inFlight *admission.InFlight
	pages    map[string][]access.Role // who may use the routes that are no operations, by pattern
}

// New makes the handler of the whole HTTP side.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	s := newService(o, mux)
	s.servePages(mux)

	handler := middleware.SameOrigin(o.Origins, middleware.SecureHeaders(middleware.Route(mux)))
	if o.Keys == nil {
		handler = middleware.LocalHosts(o.Hosts, handler)
	}

	handler = middleware.CORS(o.Origins, console.ProblemPages(o.console(), handler))
	handler = middleware.Observe(o.Log, o.Observed, middleware.RecoverPanics(handler))

	return middleware.ReadWithin(middleware.AtOnce, handler)
}

func newService(o Options, mux *http.ServeMux) *service {
	configureHuma()

	if o.Clock == nil {
		o.Clock = clock.New(o.Log)
	}

	s := &service{
		Options:  o,
		api:      humago.New(mux, config(o.Version)),
		inFlight: admission.NewInFlight(o.Log, o.Refused),
		pages:    map[string][]access.Role{},
	}
	s.api.UseMiddleware(s.Keys.Check, middleware.Guard, middleware.NewBodies().Read, middleware.Compress)

	addComponents(s.api.OpenAPI().Components)

	s.registerOrders()
	s.registerChanges()
	s.registerTimeline()
	s.registerWhy()
	s.registerEvents()
	s.registerProducts()
	s.registerArchive()
	s.registerStock()
	customer.Register(s.api, s.Pool)
	feed.Register(s.api, s.Pool)
	webhook.Register(s.api, webhook.Options{Pool: s.Pool, Queue: s.Queue, AllowPrivate: s.AllowPrivate})
	operator.Register(s.api, s.Pool, s.Queue)
	s.registerHealth()
	operation.Finish(s.api.OpenAPI())

	return s
}

// configureHuma sets what huma keeps in globals.
var configureHuma = sync.OnceFunc(func() {
	problem.ConfigureHuma()

	// Else {"quantity":1,"QUANTITY":5000} would pass a maximum of 1000, and then be decoded as 5000.
	huma.ValidateStrictCasing = true
})

// config is huma's default without two additions: $schema links, which carry the
// request's Host, and pages that load their scripts from elsewhere.
func config(version string) huma.Config {
	c := huma.DefaultConfig("Orders", version)
	c.CreateHooks = nil
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.RejectUnknownQueryParameters = true
	// Responses may gain fields. Request bodies declare themselves that they accept no others.
	c.AllowAdditionalPropertiesByDefault = true
	c.Formats = map[string]huma.Format{
		middleware.MediaJSON: middleware.StrictJSON, "json": middleware.StrictJSON, // json: for problem+json
		middleware.MediaCSV: middleware.CSV,
	}
	c.Info.Description = description()
	c.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	c.Servers = []*huma.Server{{URL: "/", Description: "The server that this document comes from"}}
	c.Tags = tags
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{access.Scheme: {
		Type: "http", Scheme: "bearer", Description: "A token that an operator made. Its roles say what it may do.",
	}}
	c.OnAddOperation = []huma.AddOpFunc{operation.DescribeHeaders}

	return c
}
