package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/api"
	"orders/api/problem"
	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/schema"
	"orders/order"
	"orders/order/flow"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

// bundle is an API on a database of the test's own, asked over real HTTP.
type bundle struct {
	pool  *pgxpool.Pool
	queue *flow.Queue
	url   string
	log   *logBuffer
}

func setup(t *testing.T, change ...func(*api.Options)) *bundle {
	t.Helper()

	pool := dbtest.Pool(t)

	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}

	place := groupcommit.New(pool, groupcommit.Options{}, flow.Place(queue))
	t.Cleanup(place.Close)

	cancel := groupcommit.New(pool, groupcommit.Options{}, flow.Cancel)
	t.Cleanup(cancel.Close)

	pay := groupcommit.New(pool, groupcommit.Options{}, flow.Pay(queue))
	t.Cleanup(pay.Close)

	whole := func(o *api.Options) {
		o.Pool, o.Queue, o.Place, o.Cancel, o.Pay = pool, queue, place.Do, cancel.Do, pay.Do
	}

	return serve(t, append([]func(*api.Options){whole}, change...)...)
}

// serve starts an API without a database, for what is settled before one is asked.
func serve(t *testing.T, change ...func(*api.Options)) *bundle {
	t.Helper()

	log := &logBuffer{}
	o := api.Options{
		Place: func(context.Context, flow.Placement) (flow.Placed, error) {
			return flow.Placed{Order: order.Order{ID: uuid.New(), Status: order.Pending}}, nil
		},
		Ready:   func(context.Context) error { return nil },
		Log:     slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version: "test",
		Hosts:   []string{"x"}, // of requests that tests write by hand
	}

	for _, c := range change {
		c(&o)
	}

	server := httptest.NewUnstartedServer(checked(t, api.New(o)))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of connections cut on purpose
	server.Start()
	t.Cleanup(server.Close)

	return &bundle{pool: o.Pool, queue: o.Queue, url: server.URL, log: log}
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) requestID() string {
	return r.header.Get("X-Request-Id") //nolint:canonicalheader // spelled as net/http sends it
}

// ask sends a request; headers are name, value, name, value.
func (b *bundle) ask(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}

	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return reply{status: response.StatusCode, header: response.Header, body: string(text)}
}

// open gets an answer to read bit by bit.
func (b *bundle) open(t *testing.T, path string) io.Reader {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}

	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { response.Body.Close() })

	return response.Body
}

// send writes to a connection what no client would, and reads the answer.
func (b *bundle) send(t *testing.T, request string) reply {
	t.Helper()

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	conn.SetDeadline(time.Now().Add(time.Minute)) // so that a response that never comes is told as a fault
	fmt.Fprint(conn, request)

	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return reply{status: response.StatusCode, header: response.Header, body: string(text)}
}

// exact sends a path as it is, which clients would clean. Nothing has such an address.
func (b *bundle) exact(t *testing.T, method, path string) {
	t.Helper()
	wantProblem(t, b.send(t, method+" "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 404, order.NotFound)
}

// as checks the status and decodes the answer.
func as[T any](t *testing.T, r reply, status int) T {
	t.Helper()

	var v T

	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}

	decoder := json.NewDecoder(strings.NewReader(r.body))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}

	return v
}

// wantProblem checks that the answer is the problem, whole and true to itself.
func wantProblem(t *testing.T, r reply, status int, code order.Code) problem.Problem {
	t.Helper()

	p := as[problem.Problem](t, r, status)

	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}

	if p.Type != problem.AddressOf(code) || p.Status != status || p.Title == "" || p.Detail == "" {
		t.Errorf("problem = %s, want %s", r.body, code)
	}

	if p.RequestID == "" || p.RequestID != r.requestID() {
		t.Errorf("request_id = %q, X-Request-Id = %q", p.RequestID, r.requestID())
	}

	if hasRetry := r.header.Get("Retry-After") != ""; hasRetry != (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		t.Errorf("status %d with Retry-After %q", status, r.header.Get("Retry-After"))
	}

	return p
}

// stock puts a product into the catalogue, with stock.
func (b *bundle) stock(t *testing.T, sku string, price, quantity int64) {
	t.Helper()

	body := fmt.Sprintf(`{"name":"Product","price":%d,"currency":"EUR"}`, price)
	if r := b.ask(t, "PUT", "/products/"+sku, body); r.status != 200 && r.status != 201 {
		t.Fatalf("product: %d %s", r.status, r.body)
	}

	if quantity > 0 {
		body := fmt.Sprintf(`{"quantity":%d,"reference":"first"}`, quantity)
		if r := b.ask(t, "POST", "/products/"+sku+"/receipts", body); r.status != 201 {
			t.Fatalf("receipt: %d %s", r.status, r.body)
		}
	}
}

// place places an order of one line.
func (b *bundle) place(t *testing.T, user, sku string, quantity int, headers ...string) api.Order {
	t.Helper()

	return as[api.Order](t, b.ask(t, "POST", "/orders", placeBody(user, sku, quantity), headers...), 201)
}

func placeBody(user, sku string, quantity int) string {
	return fmt.Sprintf(`{"user_id":%q,"lines":[{"sku":%q,"quantity":%d}]}`, user, sku, quantity)
}

// settle does the orders' steps, as workers would.
func (b *bundle) settle(t *testing.T, ids ...uuid.UUID) {
	t.Helper()

	for _, step := range order.Steps() {
		b.apply(t, step.Name, ids...)
	}
}

// apply does one step of the orders.
func (b *bundle) apply(t *testing.T, step order.StepName, ids ...uuid.UUID) {
	t.Helper()

	specs := flow.Specs()
	spec := specs[slices.IndexFunc(specs, func(s flow.Spec) bool { return s.Name == step })]

	err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := spec.Apply(t.Context(), tx, b.queue, ids)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) count(t *testing.T, table string) (n int) {
	t.Helper()

	if err := b.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}

	return n
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.String()
}

// line finds the last line whose message it is.
func (l *logBuffer) line(t *testing.T, message string) map[string]any {
	t.Helper()

	var found map[string]any

	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("log line %q: %v", text, err)
		}

		if line["msg"] == message {
			found = line
		}
	}

	return found
}
