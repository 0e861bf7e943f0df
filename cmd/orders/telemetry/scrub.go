package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// unsafe are the attributes that may have personal data: what clients send, and the texts of errors, in which Postgres
// quotes values. The libraries set them, and have no option for each.
var unsafe = []attribute.Key{
	"url.path", "url.query", "url.full", "http.target", "http.url", "user_agent.original",
	"server.address", "client.address", "network.peer.address", "http.request.method_original",
	"exception.message", "exception.stacktrace", "pgx.query.parameters",
}

// scrubber exports spans without what may be personal data.
type scrubber struct{ sdktrace.SpanExporter }

// ExportSpans exports the spans.
func (s scrubber) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	scrubbed := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		scrubbed[i] = scrubbedSpan{span}
	}

	return s.SpanExporter.ExportSpans(ctx, scrubbed) //nolint:wrapcheck // the exporter's own
}

type scrubbedSpan struct{ sdktrace.ReadOnlySpan }

// Attributes are those that are safe.
func (s scrubbedSpan) Attributes() []attribute.KeyValue { return safe(s.ReadOnlySpan.Attributes()) }

// Events have the attributes that are safe.
func (s scrubbedSpan) Events() []sdktrace.Event {
	events := slices.Clone(s.ReadOnlySpan.Events())
	for i := range events {
		events[i].Attributes = safe(events[i].Attributes)
	}

	return events
}

// Status has no text, which is that of an error.
func (s scrubbedSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

func safe(attributes []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(attributes), func(a attribute.KeyValue) bool { return slices.Contains(unsafe, a.Key) })
}
