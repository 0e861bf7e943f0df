package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// stub answers as the API does; each request may have an answer of its own.
func stub(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *load {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)

	return &load{workload: spread, addresses: []string{strings.TrimPrefix(server.URL, "http://")}, connections: 4, keys: "k-"}
}

func created(w http.ResponseWriter) {
	w.Header().Set("Location", "/orders/"+uuid.NewString())
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, `{"status":"pending"}`)
}

func TestClosedLoad(t *testing.T) {
	t.Parallel()

	var refuse atomic.Int64

	l := stub(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			UserID string `json:"user_id"`
			Lines  []struct {
				SKU      string `json:"sku"`
				Quantity int    `json:"quantity"`
			} `json:"lines"`
		}

		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Lines) != 2 || body.Lines[0].SKU == body.Lines[1].SKU {
			t.Errorf("body = %+v, %v", body, err)
		}

		if !strings.HasPrefix(r.Header.Get("Idempotency-Key"), "k-") {
			t.Errorf("key = %q", r.Header.Get("Idempotency-Key"))
		}

		if n := refuse.Add(1); n%10 == 0 {
			problem := "overloaded"
			if n%20 == 0 {
				problem = "unavailable"
			}

			http.Error(w, problem+strings.Repeat(" ", 5000), http.StatusServiceUnavailable) // more than net/http gives a length for

			return
		}

		created(w)
	})
	l.orders = 100

	got, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if len(got.unknown) != 5 {
		t.Errorf("%d of the refused may have been placed", len(got.unknown))
	}

	if len(got.accepted) != 90 || len(got.refused) != 10 || len(got.latencies) != 90 || got.fates[confirmed] != 90 {
		t.Errorf("accepted %d, refused %d, latencies %d, fates %v", len(got.accepted), len(got.refused), len(got.latencies), got.fates)
	}
}

// TestOpenLoadCountsTheWait shows that latency is from when an order was due, and
// that nobody waits for those before: the first ten stall, the others do not.
func TestOpenLoadCountsTheWait(t *testing.T) {
	t.Parallel()

	const stall = 300 * time.Millisecond

	var served atomic.Int64

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1) <= 10 {
			time.Sleep(stall)
		}

		created(w)
	})
	l.connections, l.rate, l.orders = 1, 1000, 100

	got, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if longest := percentile(got.latencies, 1); longest < stall {
		t.Errorf("longest = %s, although the server stalled for %s", longest, stall)
	}

	if p50 := percentile(got.latencies, 0.5); p50 >= stall {
		t.Errorf("p50 = %s: they waited for those that stalled", p50)
	}
}

// TestLatencyCountsFromWhenItWasDue places an order late.
func TestLatencyCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()

	const late = time.Minute

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { created(w) })
	l.rate = 1

	s := &sending{load: l}
	if err := s.connect(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := s.placers[0].place(time.Now().Add(-late)); err != nil {
		t.Fatal(err)
	}

	if took := s.placers[0].latencies[0]; took < late {
		t.Errorf("latency = %s, want %s at least", took, late)
	}
}

func TestOpenLoadKeepsItsRate(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { created(w) })
	l.rate, l.duration = 200, time.Second

	got, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Arrivals are random but seeded: 200 a second, give or take what chance does.
	if n := len(got.accepted); n < 150 || n > 250 {
		t.Errorf("%d orders in a second at 200/s", n)
	}
}

func TestLoadFailsOnOtherAnswers(t *testing.T) {
	t.Parallel()

	l := stub(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) })
	l.orders = 10

	if _, err := l.send(t.Context()); err == nil || !strings.Contains(err.Error(), "500: broken") {
		t.Errorf("error = %v", err)
	}
}

func TestMixedFates(t *testing.T) {
	t.Parallel()

	var cancels, conflicts, payments, gone atomic.Int64

	l := stub(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)

		switch {
		case strings.HasSuffix(r.URL.Path, "/cancel"):
			cancels.Add(1)
		case strings.HasSuffix(r.URL.Path, "/payment"):
			if conflicts.Add(1) == 1 {
				w.WriteHeader(http.StatusConflict) // its stock is not taken yet

				return
			}

			payments.Add(1)
		default:
			if strings.Contains(string(body), "gone-") {
				gone.Add(1)
			}

			created(w)
		}
	})
	l.orders, l.cancelled, l.held, l.scarce = 400, 0.10, 0.10, 0.05

	got, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	want := [fates]int{cancelled: int(cancels.Load()), heldPaid: int(payments.Load()), scarce: int(gone.Load())}
	for _, f := range []fate{cancelled, heldPaid, scarce} {
		if got.fates[f] != want[f] || want[f] == 0 {
			t.Errorf("fate %d: %d orders, the server saw %d", f, got.fates[f], want[f])
		}
	}

	if got.fates[heldUnpaid] == 0 || len(got.accepted) != 400 {
		t.Errorf("fates %v of %d", got.fates, len(got.accepted))
	}
}

func TestShares(t *testing.T) {
	t.Parallel()

	w := workload{cancelled: 0.10, held: 0.10, scarce: 0.05}
	random := rand.New(rand.NewPCG(1, 1))

	var n [fates]int
	for range 100_000 {
		n[w.fate(random)]++
	}

	for f, want := range [fates]int{confirmed: 75_000, cancelled: 10_000, heldPaid: 5_000, heldUnpaid: 5_000, scarce: 5_000} {
		if n[f] < want*95/100 || n[f] > want*105/100 {
			t.Errorf("fate %d: %d of 100,000, want about %d", f, n[f], want)
		}
	}
}
