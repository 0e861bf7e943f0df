package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/riverqueue/rivercontrib/otelriver"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"orders/db/groupcommit"
)

const (
	mostLinks    = 1024            // of a span: a batch links to each of its callers
	flushTimeout = 5 * time.Second // for the spans that are left when the program ends
)

// Traces make spans of requests, transactions and jobs. Nil is for none: then nothing is
// installed anywhere, so nothing costs anything.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTraces makes traces as the OTEL_… variables say. It returns nil unless one of them names an exporter or
// where to export to: autoexport itself would export to localhost.
func NewTraces(ctx context.Context, log *slog.Logger, version string) (*Traces, error) {
	if !wanted(os.Getenv) {
		return nil, nil //nolint:nilnil // nil is for none
	}

	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the exporter of traces: %w", err)
	}

	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are missing", "error", err) }))

	return TracesTo(ctx, sdktrace.NewBatchSpanProcessor(scrubber{exporter}), version)
}

// wanted tells whether the variables ask for traces.
func wanted(getenv func(string) string) bool {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || exporter == "none" {
		return false
	}

	return exporter != "" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// TracesTo makes traces that go to a processor.
func TracesTo(ctx context.Context, to sdktrace.SpanProcessor, version string) (*Traces, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "orders"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}

	limits := sdktrace.NewSpanLimits()
	limits.LinkCountLimit = max(limits.LinkCountLimit, mostLinks)

	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(to), sdktrace.WithResource(about), sdktrace.WithRawSpanLimits(limits))

	return &Traces{provider: provider, tracer: provider.Tracer("orders")}, nil
}

// Close exports what is left.
func (t *Traces) Close() {
	if t == nil {
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()

	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// Handler makes a span of each request, named after its route. Health checks and scrapes have none.
func (t *Traces) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}

	return otelhttp.NewHandler(next, "request",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(parent{}),
		otelhttp.WithFilter(func(r *http.Request) bool {
			return r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && r.URL.Path != "/metrics"
		}))
}

// Pool makes a span of each statement that belongs to another span. It has the statement's text, and no values.
func (t *Traces) Pool(config *pgxpool.Config) {
	if t != nil {
		config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider))
	}
}

// Middleware makes spans of enqueuing and working jobs. The job's metadata names the span that enqueued it. The span of
// the work is its child, so that a job is sampled as its request was.
func (t *Traces) Middleware() []rivertype.Middleware {
	if t == nil {
		return nil
	}

	return []rivertype.Middleware{&resume{}, otelriver.NewMiddleware(&otelriver.MiddlewareConfig{
		TracerProvider: t.provider, EnableTracePropagation: true, EnableWorkSpanJobKindSuffix: true,
	})}
}

type observe = func(context.Context, []context.Context) (context.Context, func(groupcommit.Observation))

// batch makes a span of each transaction of a group commit, and calls next. A span has one parent, and a transaction many
// callers. So it is a child of one caller's span, and links to the others'. The spans of all callers link to it.
func (t *Traces) batch(group string, next observe) observe {
	if t == nil {
		return next
	}

	return func(ctx context.Context, callers []context.Context) (context.Context, func(groupcommit.Observation)) {
		// The first that is sampled, so that the batch is sampled if a caller is.
		first := max(0, slices.IndexFunc(callers, func(c context.Context) bool { return trace.SpanContextFromContext(c).IsSampled() }))

		var links []trace.Link

		for i, caller := range callers {
			if sc := trace.SpanContextFromContext(caller); sc.IsSampled() && i != first {
				links = append(links, trace.Link{SpanContext: sc})
			}
		}

		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(callers[first]))
		ctx, span := t.tracer.Start(ctx, "batch "+group, trace.WithLinks(links...))

		for _, caller := range callers {
			trace.SpanFromContext(caller).AddLink(trace.Link{SpanContext: span.SpanContext()})
		}

		ctx, ended := next(ctx, callers)

		return ctx, func(o groupcommit.Observation) {
			span.SetAttributes(attribute.Int("orders.batch.items", o.Items))

			if o.Err != nil {
				span.SetStatus(codes.Error, "the transaction failed")
			}

			span.End()
			ended(o)
		}
	}
}

// parent takes from a request which span has made it. It does not take the tracestate, whose text the client
// chooses, as that would be kept with jobs.
type parent struct{ propagation.TraceContext }

// Extract reads the header.
func (p parent) Extract(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	ctx = p.TraceContext.Extract(ctx, from)

	sc := trace.SpanContextFromContext(ctx)
	if sc.TraceState().Len() == 0 {
		return ctx
	}

	return trace.ContextWithRemoteSpanContext(ctx, sc.WithTraceState(trace.TraceState{}))
}

// resume continues the trace that a job's metadata names.
type resume struct{ river.MiddlewareDefaults }

// Work works the job as part of its trace.
func (*resume) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	var metadata struct {
		Traceparent string `json:"traceparent"`
	}

	if json.Unmarshal(job.Metadata, &metadata) == nil && metadata.Traceparent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": metadata.Traceparent})
	}

	return next(ctx)
}
