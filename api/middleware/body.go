package middleware

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/problem"
	"orders/order"
)

// AtOnce is how long a body may take that is sent with its headers.
const AtOnce = 100 * time.Millisecond

// ReadWithin bounds the time in which the body of a request has to arrive, until an
// operation gives it another time. net/http waits for a body that nobody reads before it
// responds: a refusal would come when the body does, or when the server's own time ends.
func ReadWithin(patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // -1 if it is not known
			//nolint:errcheck // on a connection that is gone, reading fails
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
		}

		next.ServeHTTP(w, r)
	})
}

// Bodies reads the bodies of requests before anything else is done for them, so that a
// slow sender costs a connection and nothing more. It gives each body a time that
// depends on its length.
//
// If many bodies are arriving, the next ones have to arrive almost at once. Clients that
// send a body with its headers, as most do, are then served as ever. A limit that
// refused them would let a thousand slow senders lock all others out.
type Bodies struct {
	patience   time.Duration // for any body
	leastRate  int64         // in bytes a second, for the rest of the time
	maxSending int64         // bodies that may arrive at the same time with patience
	hurry      time.Duration // for bodies beyond maxSending

	sending atomic.Int64
}

// NewBodies makes a reader of bodies. All operations share it.
func NewBodies() *Bodies {
	return &Bodies{patience: 2 * time.Second, leastRate: 32 << 10, maxSending: 1_000, hurry: AtOnce}
}

// Read is the middleware.
func (b *Bodies) Read(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if ctx.Operation().RequestBody == nil || r.Body == http.NoBody {
		next(ctx)

		return
	}

	body, _ := bodies.Get().(*memory)
	defer body.release()

	if p := b.read(ctx, r, body); p != nil {
		w.Header().Set("Connection", "close") // or else net/http first waits for the rest of the body
		p.Write(w)

		return
	}

	r.Body = body

	next(ctx)
}

// read reads the body, or says why it does not.
func (b *Bodies) read(ctx huma.Context, r *http.Request, body *memory) *problem.Problem {
	limit := ctx.Operation().MaxBodyBytes // the first length that is too large
	if r.ContentLength >= limit {
		return problem.New(r.Context(), problem.BodyTooLarge, "")
	}

	patience := b.patience + time.Second*time.Duration(max(r.ContentLength, 0))/time.Duration(b.leastRate)
	if r.ContentLength < 0 {
		patience = b.patience + time.Second*time.Duration(limit)/time.Duration(b.leastRate)
	}

	hurry := b.sending.Add(1) > b.maxSending
	defer b.sending.Add(-1)

	if hurry {
		patience = b.hurry
	}

	ctx.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // on a connection that is gone, reading fails

	n, err := body.ReadFrom(io.LimitReader(r.Body, limit))
	failure, ok := errors.AsType[net.Error](err)

	switch {
	case n >= limit:
		return problem.New(r.Context(), problem.BodyTooLarge, "")
	case ok && failure.Timeout() && hurry:
		return problem.New(r.Context(), order.InFlightLimit, "Too many bodies are being sent; send the body together with its headers.")
	case ok && failure.Timeout():
		return problem.New(r.Context(), problem.BodyTimeout, "")
	case err != nil:
		return problem.New(r.Context(), problem.MalformedBody, "")
	}

	return nil
}

// memory is a body that has arrived.
type memory struct{ bytes.Buffer }

// Close is for [io.ReadCloser].
func (*memory) Close() error { return nil }

var bodies = sync.Pool{New: func() any { return new(memory) }}

func (m *memory) release() {
	m.Reset()
	bodies.Put(m)
}
