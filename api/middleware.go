package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"orders/order"
)

// An exchange is what is known of a request beside itself; the log line gathers it.
type exchange struct {
	id      string
	logger  *slog.Logger
	order   string     // the order it is about
	problem order.Code // what it was refused with
}

type exchangeKey struct{}

// log is the request's: made when there is something to say.
func (x *exchange) log() *slog.Logger { return x.logger.With("request_id", x.id) }

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}

	return &exchange{logger: slog.New(slog.DiscardHandler)}
}

// requestID names the header of a request's id.
const requestID = "X-Request-Id"

// saneID is a request id that is taken over from whoever sent it.
var saneID = regexp.MustCompile(`^[\x21-\x7e]{1,64}$`)

// statusClientGone is, in the log only, for a request whose client has left.
const statusClientGone = 499

// observe gives each request an id and a line in the log.
func observe(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()

		id := r.Header.Get(requestID) //nolint:canonicalheader // spelled as net/http sends it
		if !saneID.MatchString(id) {
			id = rand.Text()
		}

		x := &exchange{id: id, logger: log}
		recorder := &recorder{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))

		w.Header().Set(requestID, id) //nolint:canonicalheader // as above

		defer func() { x.conclude(r, recorder, time.Since(start)) }()

		next.ServeHTTP(recorder, r)
	})
}

// conclude writes the log line. No query and no body: they hold personal data,
// and so would a path, so it is the pattern where there is one.
func (x *exchange) conclude(r *http.Request, answer *recorder, took time.Duration) {
	status, level := cmp.Or(answer.status, http.StatusOK), slog.LevelInfo

	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		status = statusClientGone
	case x.problem == order.Overloaded:
		level = slog.LevelDebug // there are many, and whoever refuses them tells the log
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case r.Pattern == "GET /healthz" || r.Pattern == "GET /readyz":
		level = slog.LevelDebug
	}

	fields := []slog.Attr{
		slog.String("request_id", x.id),
		slog.String("method", r.Method),
		slog.String("route", cmp.Or(r.Pattern, r.URL.Path)),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.Int64("bytes", answer.bytes),
		slog.String("remote", r.RemoteAddr),
	}
	if x.order != "" {
		fields = append(fields, slog.String("order_id", x.order))
	}

	if x.problem != "" {
		fields = append(fields, slog.String("problem", string(x.problem)))
	}

	x.logger.LogAttrs(r.Context(), level, "request", fields...)
}

// recoverPanics answers a panic like any other internal error, unless a part of
// the answer is on its way: then cutting the connection is all that tells the client.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer answerPanic(w, r)

		next.ServeHTTP(w, r)
	})
}

func answerPanic(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}

	if cause == http.ErrAbortHandler { //nolint:errorlint // its identity is the agreement
		panic(cause) //nolint:forbidigo // net/http's way to cut a connection
	}

	exchangeOf(r.Context()).log().ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()))

	if answer, ok := w.(*recorder); ok && answer.status != 0 {
		panic(http.ErrAbortHandler) //nolint:forbidigo // as above
	}

	newProblem(r.Context(), order.Internal, "").write(w)
}

// sameOrigin refuses what pages of other sites make a browser send.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		newProblem(r.Context(), crossOrigin, "").write(w)
	}))

	return protection.Handler(next)
}

// secureHeaders sets what fits answers that are data; pages set their own policy.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")

		next.ServeHTTP(w, r)
	})
}

// recorder remembers what was answered. Streaming and deadlines reach the
// connection through Unwrap.
type recorder struct {
	http.ResponseWriter

	status int
	bytes  int64
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // those below come before the answer
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
