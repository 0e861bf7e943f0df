package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/admission"
	"orders/db/dbtest"
	"orders/order"
	"orders/order/flow"
)

// What the hot handlers allocate, with all that surrounds them but the network:
// counts, which do not depend on the machine. Whoever makes one allocate less
// writes down the new figure; one that allocates a tenth more wants a reason.
//
//nolint:paralleltest // whatever runs meanwhile would be counted, too
func TestHotHandlersAllocateNoMoreThanTheyDid(t *testing.T) {
	whole := api.New(allocOptions(nil))
	pressed := api.New(allocOptions(overloaded(t)))

	for _, c := range []struct {
		name     string
		handler  http.Handler
		request  func(*testing.T) *http.Request
		status   int
		measured float64
	}{
		{"what surrounds the others", whole, asking, http.StatusOK, 22},
		{"place an order", whole, placing, http.StatusCreated, 75},
		{"refuse an order", pressed, placing, http.StatusServiceUnavailable, 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Half as many are counted wrong, or somebody should write down a great success.
			if n := allocations(t, c.handler, c.request, c.status); n > c.measured*allocSlack || n < c.measured/2 {
				t.Errorf("%.0f allocations; there were %.0f", n, c.measured)
			}
		})
	}
}

// allocOptions are those of production, but for the database: an order is placed at once.
func allocOptions(p *admission.Controller) api.Options {
	placed := flow.Placed{Order: order.Order{
		ID:     uuid.Must(uuid.NewV7()),
		UserID: "u-1",
		Status: order.Pending,
		Lines:  []order.Line{{SKU: "tea", Quantity: 2, UnitPrice: 100}},
	}}

	return api.Options{
		Place:     func(context.Context, flow.Placement) (flow.Placed, error) { return placed, nil },
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)), //nolint:sloglint // its lines are to be made, too
		Version:   "test",
		Admission: p,
	}
}

// overloaded has seen work that comes faster than it is done, and looks no more.
func overloaded(t *testing.T) *admission.Controller {
	t.Helper()

	pool := dbtest.Pool(t)
	defer pool.Close()

	p := admission.NewController(admission.Options{Pool: pool, Log: slog.New(slog.DiscardHandler), MaxWait: time.Second})
	ctx, stop := context.WithCancel(t.Context())

	var looking sync.WaitGroup

	looking.Go(func() { p.Run(ctx) })
	defer looking.Wait()
	defer stop()
	defer overload(t, pool, &looking)()

	handler, w := api.New(allocOptions(p)), &discard{header: http.Header{}}
	for deadline := time.Now().Add(30 * time.Second); w.status != http.StatusServiceUnavailable; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("orders are not refused")
		}

		handler.ServeHTTP(w, placing(t))
	}

	return p
}

// allocations are those of an exchange on average, without those of the request and of what takes the answer.
func allocations(t *testing.T, handler http.Handler, request func(*testing.T) *http.Request, status int) float64 {
	t.Helper()

	const runs = 200

	requests := make([]*http.Request, runs+1) // one to warm up
	for i := range requests {
		requests[i] = request(t)
	}

	w, others := &discard{header: http.Header{}}, 0

	average := testing.AllocsPerRun(runs, func() {
		clear(w.header)
		handler.ServeHTTP(w, requests[0])

		requests = requests[1:]

		if w.status != status {
			others++
		}
	})

	if others > runs/16 { // a controller that refuses still accepts one of 64
		t.Fatalf("%d of %d responses do not have status %d", others, runs, status)
	}

	return average
}

func asking(t *testing.T) *http.Request {
	t.Helper()

	return newRequest(t, http.MethodGet, "/healthz", "")
}

func placing(t *testing.T) *http.Request {
	t.Helper()

	r := newRequest(t, http.MethodPost, "/orders", placeBody("u-1", "tea", 2))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", uuid.NewString())

	return r
}

func newRequest(t *testing.T, method, path, body string) *http.Request {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	r.Host = "localhost"

	return r
}

// discard takes an answer and allocates nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header           { return d.header }
func (d *discard) WriteHeader(status int)        { d.status = status }
func (*discard) Write(data []byte) (int, error)  { return len(data), nil }
func (*discard) SetReadDeadline(time.Time) error { return nil }
