package telemetry_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"orders/cmd/orders/telemetry"
	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
	"orders/order/repair"
	"orders/workers"
)

// spans are those that were exported.
type spans struct {
	t *testing.T
	*tracetest.InMemoryExporter
}

// tracing makes traces whose spans the test reads.
func tracing(t *testing.T) (*telemetry.Traces, spans) {
	t.Helper()

	exporter := tracetest.NewInMemoryExporter()

	traces, err := telemetry.TracesTo(t.Context(), sdktrace.NewSimpleSpanProcessor(telemetry.Scrubbed(exporter)), "v7")
	if err != nil {
		t.Fatal(err)
	}

	return traces, spans{t, exporter}
}

// named waits for the span of a name.
func (s spans) named(name string) tracetest.SpanStub {
	s.t.Helper()

	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, span := range s.GetSpans() {
			if span.Name == name {
				return span
			}
		}
	}

	s.t.Fatalf("no span %s", name)

	return tracetest.SpanStub{}
}

func linksTo(span tracetest.SpanStub, to trace.SpanContext) bool {
	return slices.ContainsFunc(span.Links, func(l sdktrace.Link) bool {
		return l.SpanContext.SpanID() == to.SpanID() && l.SpanContext.TraceID() == to.TraceID()
	})
}

// One trace shows a request, the transaction that placed its order, and the transaction of each step.
func TestATraceShowsTheStepsOfARequest(t *testing.T) {
	t.Parallel()

	const (
		client = "0af7651916cd43dd8448eb211c80319c"
		secret = "kanari7q"
	)

	log := slog.New(slog.DiscardHandler)
	traces, spans := tracing(t)

	pool, err := db.Open(t.Context(), dbtest.URL(t), traces.Pool)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)
	ordertest.On(t, pool, map[string]int64{secret: 10})

	metrics := telemetry.New(pool, log, "v7", traces)

	queue, err := jobs.NewClient(pool, log, jobs.Defaults(), traces.Middleware()...)
	if err != nil {
		t.Fatal(err)
	}

	place := groupcommit.New(pool, groupcommit.Options{Observe: metrics.Batch("place")}, flow.Place(queue))
	t.Cleanup(place.Close)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{user}", func(w http.ResponseWriter, r *http.Request) {
		p := ordertest.Placement(secret, ordertest.Line(secret, 1))
		p.Draft.UserID = r.PathValue("user")

		if _, err := place.Do(r.Context(), p); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})

	server := httptest.NewServer(traces.Handler(mux))
	t.Cleanup(server.Close)

	w, err := workers.New(workers.Options{
		Pool: pool, Log: log, Version: "v7", Concurrency: jobs.Concurrency(), Jobs: jobs.Defaults(), Rules: repair.DefaultRules(),
		Observer: metrics, Middleware: traces.Middleware(),
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { w.Stop(context.WithoutCancel(t.Context())) })

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/orders/"+secret+"?note="+secret, strings.NewReader(secret))
	if err != nil {
		t.Fatal(err)
	}

	request.Header.Set("Traceparent", "00-"+client+"-b7ad6b7169203331-01")
	request.Header.Set("Tracestate", "vendor="+secret)
	request.Header.Set("User-Agent", secret)

	response, err := server.Client().Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", response, err)
	}

	response.Body.Close()

	asked, placed := spans.named("POST /orders/{user}"), spans.named("batch place")
	if asked.SpanContext.TraceID().String() != client {
		t.Errorf("the request is in trace %s, and not in its client's", asked.SpanContext.TraceID())
	}

	if placed.Parent.SpanID() != asked.SpanContext.SpanID() || !linksTo(asked, placed.SpanContext) {
		t.Errorf("the placing transaction is not the request's: %+v", placed)
	}

	for _, step := range order.Steps() {
		worked, batch := spans.named("river.work/"+string(step.Name)), spans.named("batch "+string(step.Name))

		if enqueued := spans.named("river.insert_many"); worked.Parent.SpanID() != enqueued.SpanContext.SpanID() || !linksTo(worked, enqueued.SpanContext) {
			t.Errorf("%s: the job is not of what enqueued it: %+v", step.Name, worked)
		}

		if batch.SpanContext.TraceID().String() != client || batch.Parent.SpanID() != worked.SpanContext.SpanID() || !linksTo(worked, batch.SpanContext) {
			t.Errorf("%s: the transaction is not the job's: %+v", step.Name, batch)
		}
	}

	traced := dbtest.Count(t, pool, `SELECT count(*)::int FROM river_job WHERE metadata->>'traceparent' LIKE '00-`+client+`-%' AND metadata->>'tracestate' IS NULL`)
	if traced != len(order.Steps()) {
		t.Errorf("%d jobs know their trace", traced)
	}

	text, err := json.Marshal(spans.GetSpans())
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(string(text), "INSERT INTO points_entries") {
		t.Error("the spans have no statements")
	}

	if at := strings.Index(string(text), secret); at >= 0 {
		t.Errorf("a span has what a client sent: …%s", text[max(0, at-200):at+20])
	}
}

// A transaction has many callers. Its span and theirs link to each other.
func TestATransactionLinksToItsCallers(t *testing.T) {
	t.Parallel()

	traces, spans := tracing(t)

	var callers []context.Context

	for range 3 {
		traces.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { callers = append(callers, r.Context()) })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody))
	}

	unsampled := trace.ContextWithSpanContext(t.Context(), trace.SpanContextFromContext(callers[0]).WithTraceFlags(0))
	_, ended := telemetry.New(dbtest.Pool(t), slog.New(slog.DiscardHandler), "v7", traces).Batch("cancel")(
		context.Background(), append([]context.Context{context.Background(), unsampled}, callers...))
	ended(groupcommit.Observation{Items: 5, Err: groupcommit.ErrClosed})

	batch := spans.named("batch cancel")
	if got := trace.SpanContextFromContext(callers[0]); batch.Parent.SpanID() != got.SpanID() || len(batch.Links) != 2 ||
		!linksTo(batch, trace.SpanContextFromContext(callers[1])) || !linksTo(batch, trace.SpanContextFromContext(callers[2])) {
		t.Errorf("%+v", batch)
	}
}

// Without the variables nothing is installed: requests, transactions, statements and jobs are what they are without this package.
func TestTracesThatAreOffInstallNothing(t *testing.T) { //nolint:paralleltest // it sets variables
	for _, off := range []map[string]string{
		{},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
			t.Setenv(name, off[name])
		}

		traces, err := telemetry.NewTraces(t.Context(), slog.New(slog.DiscardHandler), "v7")
		if traces != nil || err != nil {
			t.Errorf("%v: %v, %v", off, traces, err)
		}
	}

	var off *telemetry.Traces

	config, err := db.Config("postgres://localhost/orders")
	if err != nil {
		t.Fatal(err)
	}

	off.Pool(config)
	off.Close()

	mux := http.NewServeMux()
	if off.Handler(mux) != http.Handler(mux) || config.ConnConfig.Tracer != nil || off.Middleware() != nil || off.Log(slog.Default()) != slog.Default() {
		t.Error("traces that are off are installed")
	}
}
