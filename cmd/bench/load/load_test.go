package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/cmd/bench/load"
	"orders/order"
)

// stub answers as the API does; each request may have an answer of its own.
func stub(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *load.Load {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)

	return &load.Load{Workload: load.Spread, Addresses: []string{strings.TrimPrefix(server.URL, "http://")}, Connections: 4, KeyPrefix: "k-"}
}

func created(w http.ResponseWriter) {
	w.Header().Set("Location", "/orders/"+uuid.NewString())
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, `{"status":"pending"}`)
}

func TestClosedLoad(t *testing.T) {
	t.Parallel()

	var (
		requests, atOnce, most atomic.Int64
		keys                   sync.Map
	)

	l := stub(t, func(w http.ResponseWriter, r *http.Request) {
		defer atOnce.Add(-1)

		if n := atOnce.Add(1); n > most.Load() {
			most.Store(n)
		}

		var body load.Order
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Lines) != 2 || body.Lines[0].SKU == body.Lines[1].SKU {
			t.Errorf("body = %+v, %v", body, err)
		}

		key := r.Header.Get("Idempotency-Key")
		if _, again := keys.LoadOrStore(key, true); again || !strings.HasPrefix(key, "k-") {
			t.Errorf("key = %q, again %t", key, again)
		}

		if n := requests.Add(1); n%10 == 0 {
			problem := "/problems/overloaded"
			if n%20 == 0 {
				problem = "/problems/unavailable"
			}

			http.Error(w, problem+strings.Repeat(" ", 5000), http.StatusServiceUnavailable) // more than net/http gives a length for

			return
		}

		created(w)
	})
	l.Orders = 100

	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if len(got.Unknown) != 5 {
		t.Errorf("%d of the refused may have been placed", len(got.Unknown))
	}

	if len(got.Accepted) != 90 || len(got.Refused) != 10 || len(got.Latencies) != 90 || got.Statuses[order.Confirmed] != 90 {
		t.Errorf("accepted %d, refused %d, latencies %d, statuses %v", len(got.Accepted), len(got.Refused), len(got.Latencies), got.Statuses)
	}

	if n := l.Placed.Load(); n != 90 {
		t.Errorf("placed %d", n)
	}

	if n := most.Load(); n > 4 {
		t.Errorf("%d requests at once on 4 connections", n)
	}

	if got.Accepted[0] == uuid.Nil {
		t.Error("no order id")
	}
}

// TestAddressesTakeTurns has two processes of the API.
func TestAddressesTakeTurns(t *testing.T) {
	t.Parallel()

	var first, second atomic.Int64

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { first.Add(1); created(w) })
	other := stub(t, func(w http.ResponseWriter, _ *http.Request) { second.Add(1); created(w) })
	l.Addresses = append(l.Addresses, other.Addresses...)
	l.Orders = 20

	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	if first.Load() != 10 || second.Load() != 10 {
		t.Errorf("%d and %d orders", first.Load(), second.Load())
	}
}

// TestOpenLoadCountsTheWait shows that no order waits for those before: the first
// ten stall until all others are answered.
func TestOpenLoadCountsTheWait(t *testing.T) {
	t.Parallel()

	var (
		arrived, answered atomic.Int64
		stalled           atomic.Int64 // the longest, in nanoseconds
	)

	rest := make(chan struct{})

	l := stub(t, func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) > 10 {
			if answered.Add(1) == 90 {
				close(rest)
			}

			created(w)

			return
		}

		since := time.Now()

		select {
		case <-rest:
		case <-r.Context().Done():
			t.Error("the others waited for those that stalled")
		}

		for waited := int64(time.Since(since)); ; {
			if longest := stalled.Load(); waited <= longest || stalled.CompareAndSwap(longest, waited) {
				break
			}
		}

		created(w)
	})
	l.Connections, l.Rate, l.Orders = 1, 1000, 100

	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if longest := got.Latencies[99]; int64(longest) < stalled.Load() {
		t.Errorf("longest = %s, although the server stalled for %s", longest, time.Duration(stalled.Load()))
	}
}

func TestLatencyCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()

	const late = time.Minute

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { created(w) })

	for rate, counts := range map[float64]bool{0: false, 1: true} {
		l.Rate = rate

		took, err := l.PlaceOne(time.Now().Add(-late))
		if err != nil {
			t.Fatal(err)
		}

		if took >= late != counts {
			t.Errorf("rate %g: latency %s of an order that is %s late", rate, took, late)
		}
	}
}

func TestOpenLoadKeepsItsRate(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { created(w) })
	l.Rate, l.Duration = 200, time.Second

	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Arrivals are random but seeded: 200 a second, give or take what chance does.
	if n := len(got.Accepted); n < 150 || n > 250 {
		t.Errorf("%d orders in a second at 200/s", n)
	}
}

// A load that cannot send as fast as it should ends all the same: a hundred million orders are due here.
func TestOpenLoadEndsAfterItsDuration(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { created(w) })
	l.Rate, l.Duration = 1e9, 100*time.Millisecond

	result, err := l.Run(t.Context())
	if err != nil || len(result.Accepted) == 0 || len(result.Accepted) > 1e6 {
		t.Errorf("%d accepted, %v", len(result.Accepted), err)
	}
}

func TestLoadFailsOnOtherAnswers(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) })
	l.Orders = 10

	if _, err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "500: broken") {
		t.Errorf("error = %v", err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { cancel(); created(w) })

	if _, err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestFollowUps(t *testing.T) {
	t.Parallel()

	var cancels, payments, gone atomic.Int64

	l := stub(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := strings.Split(r.URL.Path, "/")[len(strings.Split(r.URL.Path, "/"))-2]

		switch {
		case strings.HasSuffix(r.URL.Path, "/cancel"):
			cancels.Add(1)
		case strings.HasSuffix(r.URL.Path, "/payment"):
			if string(body) != `{"reference":"bench-`+id+`"}` {
				t.Errorf("payment = %s", body)
			}

			payments.Add(1)
		default:
			if strings.Contains(string(body), "gone-") {
				gone.Add(1)
			}

			created(w)
		}
	})
	l.Orders, l.Cancelled, l.Held, l.OutOfStock = 400, 0.10, 0.10, 0.05

	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for status, want := range map[order.Status]int64{order.Cancelled: cancels.Load(), order.Rejected: gone.Load()} {
		if n := got.Statuses[status]; int64(n) != want || n == 0 {
			t.Errorf("%d orders are to be %s, the server saw %d", n, status, want)
		}
	}

	unpaid, sum := got.Statuses[order.AwaitingPayment], 0
	for _, n := range got.Statuses {
		sum += n
	}

	if unpaid == 0 || payments.Load() == 0 || sum != 400 || len(got.Accepted) != 400 {
		t.Errorf("statuses %v of %d, %d payments", got.Statuses, len(got.Accepted), payments.Load())
	}
}

// TestUnknownOrdersHaveNoFollowUp: what an order becomes if the response to its placing was lost.
func TestUnknownOrdersHaveNoFollowUp(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
	})
	l.Orders, l.Cancelled, l.Held = 100, 0.5, 0.5

	got, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	statuses := map[order.Status]int{}
	for _, status := range got.Unknown {
		statuses[status]++
	}

	if len(statuses) != 2 || statuses[order.Confirmed] == 0 || statuses[order.AwaitingPayment] == 0 || len(got.Unknown) != 100 {
		t.Errorf("statuses = %v", statuses)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()

	w := load.Workload{SKUs: 10, Lines: 2, Held: 0.10, OutOfStock: 0.05}
	random := rand.New(rand.NewPCG(1, 1))
	held, gone := 0, 0

	for range 100_000 {
		o := w.Next(random)

		if o.HoldSeconds > 0 {
			held++
		}

		if len(o.Lines) == 3 && strings.HasPrefix(o.Lines[2].SKU, "gone-") {
			gone++
		}

		if draft := o.Draft(); draft.UserID != o.UserID || len(draft.Lines) != len(o.Lines) || draft.Lines[1].SKU != o.Lines[1].SKU || draft.Lines[1].Quantity != 1 {
			t.Fatalf("draft = %+v of %+v", draft, o)
		}
	}

	if held < 9_500 || held > 10_500 || gone < 4_750 || gone > 5_250 {
		t.Errorf("held %d and out of stock %d of 100,000", held, gone)
	}
}
