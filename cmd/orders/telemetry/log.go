package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Log adds the id of the trace to lines that belong to one.
func (t *Traces) Log(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}

	return slog.New(tracedLines{log.Handler()})
}

type tracedLines struct{ slog.Handler }

// Handle writes a line.
func (l tracedLines) Handle(ctx context.Context, line slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		line = line.Clone()
		line.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}

	return l.Handler.Handle(ctx, line) //nolint:wrapcheck // the handler's own
}

// WithAttrs adds attributes to all lines.
func (l tracedLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracedLines{l.Handler.WithAttrs(attrs)}
}

// WithGroup puts what follows into a group.
func (l tracedLines) WithGroup(name string) slog.Handler {
	return tracedLines{l.Handler.WithGroup(name)}
}
