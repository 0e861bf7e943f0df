package problem

import (
	"context"
	"log/slog"

	"orders/order"
)

// A RequestInfo is what is known of a request beside the request itself. Its log line
// has all of it.
type RequestInfo struct {
	ID    string     // the X-Request-Id
	Order string     // the id of the order that the request is about; empty for none
	Code  order.Code // of the problem that the request was refused with; empty for none
	Log   *slog.Logger
}

// Logger is the request's own logger. It is made when there is something to log.
func (r *RequestInfo) Logger() *slog.Logger { return r.Log.With("request_id", r.ID) }

type requestInfoKey struct{}

// WithRequestInfo puts a request's info into its context.
func WithRequestInfo(ctx context.Context, info *RequestInfo) context.Context {
	return context.WithValue(ctx, requestInfoKey{}, info)
}

// RequestInfoOf is the info of the context's request; an empty one, which logs nothing,
// when there is no request.
func RequestInfoOf(ctx context.Context) *RequestInfo {
	if info, ok := ctx.Value(requestInfoKey{}).(*RequestInfo); ok {
		return info
	}

	return &RequestInfo{Log: slog.New(slog.DiscardHandler)}
}
