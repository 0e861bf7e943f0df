// Package middleware is what every request passes on its way to an operation and back.
//
//	request ─► Observe ─► RecoverPanics ─► CORS ─► SameOrigin ─► SecureHeaders ─► Route ───┐
//	           (id, log)                                                      (404, 405)  │
//	                            operation ◄─ Compress ◄─ Bodies ◄─ Guard ◄────────────────┘
//	                                                               (query, media types)
package middleware

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"orders/api/problem"
	"orders/order"
)

// RequestID names the header of a request's id.
const RequestID = "X-Request-Id"

// saneID matches a request id that is kept as its sender has chosen it.
var saneID = regexp.MustCompile(`^[\x21-\x7e]{1,64}$`)

// statusClientGone is, in the log only, the status of a request whose client has gone.
const statusClientGone = 499

// An Exchange is what metrics tell of a request.
type Exchange struct {
	Method, Route string // Route is the pattern, or [NoRoute]
	Status        int
	Code          order.Code // of the problem; empty for none
	Took          time.Duration
}

// Observe gives each request an id and a line in the log. observed is told of it; it may be nil.
func Observe(log *slog.Logger, observed func(Exchange), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()

		id := r.Header.Get(RequestID) //nolint:canonicalheader // spelled as net/http sends it
		if !saneID.MatchString(id) {
			id = rand.Text()
		}

		outer := r
		info := &problem.RequestInfo{ID: id, Log: log}
		recorder := &recorder{ResponseWriter: w}
		r = r.WithContext(problem.WithRequestInfo(r.Context(), info))

		w.Header().Set(RequestID, id) //nolint:canonicalheader // as above

		defer func() {
			took := time.Since(start)
			outer.Pattern = r.Pattern // a trace names its span after it
			status := logRequest(info, r, recorder, took)

			if observed != nil {
				observed(Exchange{Method: r.Method, Route: cmp.Or(r.Pattern, NoRoute), Status: status, Code: info.Code, Took: took})
			}
		}()

		next.ServeHTTP(recorder, r)
	})
}

// NoRoute is, in the log and in metrics, the route of a request whose address nothing has.
const NoRoute = "none"

// logRequest writes the log line. It has no query and no body, which hold personal
// data. A path may hold some, too, so the line has the route's pattern instead.
func logRequest(info *problem.RequestInfo, r *http.Request, response *recorder, took time.Duration) (status int) {
	status, level := cmp.Or(response.status, http.StatusOK), slog.LevelInfo

	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		status = statusClientGone
	case info.Code == order.Overloaded || info.Code == order.InFlightLimit:
		level = slog.LevelDebug // there are many, and package admission logs that it refuses
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case r.Pattern == "GET /healthz" || r.Pattern == "GET /readyz" || r.Pattern == "GET /metrics":
		level = slog.LevelDebug
	}

	fields := []slog.Attr{
		slog.String("request_id", info.ID),
		slog.String("method", r.Method),
		slog.String("route", cmp.Or(r.Pattern, NoRoute)),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.Int64("bytes", response.bytes),
		slog.String("remote", r.RemoteAddr),
	}
	if info.Order != "" {
		fields = append(fields, slog.String("order_id", info.Order))
	}

	if info.Code != "" {
		fields = append(fields, slog.String("problem", string(info.Code)))
	}

	info.Log.LogAttrs(r.Context(), level, "request", fields...)

	return status
}

// recorder remembers the status and the length of a response. Streaming and deadlines
// reach the connection through Unwrap.
type recorder struct {
	http.ResponseWriter

	status int
	bytes  int64
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // 1xx comes before the response
		r.status = status
	}

	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	r.status = cmp.Or(r.status, http.StatusOK)
	n, err := r.ResponseWriter.Write(data)
	r.bytes += int64(n)

	return n, err //nolint:wrapcheck // a writer's error is its caller's
}
