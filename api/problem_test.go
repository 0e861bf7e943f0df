package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"orders/api"
	"orders/api/problem"
	"orders/db"
	"orders/db/groupcommit"
	"orders/db/schema"
	"orders/order"
	"orders/order/flow"
)

func failing(err error) func(*api.Options) {
	return func(o *api.Options) {
		o.Place = func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{}, err }
	}
}

// huma answers a plain error with its text.
func TestInternalErrorShowsNothingAndLogsAll(t *testing.T) {
	t.Parallel()

	secret := "postgres://admin:hunter2@db.internal/orders"
	for name, err := range map[string]error{
		"plain":    fmt.Errorf("connect to %s: SELECT id FROM orders", secret),
		"internal": order.Errorf(order.Internal, "%s", secret),
		"caused":   order.Errorf(order.Internal, "oops").Because(errors.New(secret)),
		"no code":  order.Errorf("made-up", "%s", secret),
		"postgres": &pgconn.PgError{Code: "42P01", Message: secret},
		"status":   fmt.Errorf("wrap: %w", &problem.Problem{Status: 200, Detail: secret}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, failing(err))

			r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1))
			p := wantProblem(t, r, 500, order.Internal)

			if strings.Contains(r.body, "hunter2") || strings.Contains(r.body, "SELECT") || len(p.Errors) != 0 {
				t.Errorf("the answer shows %s", r.body)
			}

			if name == "no code" {
				return
			}

			line := b.log.line(t, "request failed")
			if line == nil || line["request_id"] != p.RequestID || line["level"] != "ERROR" {
				t.Errorf("the log has %v", line)
			}

			if name != "caused" && name != "internal" && !strings.Contains(fmt.Sprint(line["error"]), "hunter2") {
				t.Errorf("the log does not have the cause: %v", line)
			}
		})
	}
}

func TestErrorsOfTheDatabaseByMeaning(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		err    error
		status int
		code   order.Code
	}{
		"NUL in text":      {&pgconn.PgError{Code: "22021", Message: "secret"}, 422, order.Invalid},
		"NUL in jsonb":     {&pgconn.PgError{Code: "22P05", Message: "secret"}, 422, order.Invalid},
		"shutting down":    {&pgconn.PgError{Code: "57P01", Message: "secret"}, 503, order.Unavailable},
		"no connections":   {&pgconn.PgError{Code: "53300", Message: "secret"}, 503, order.Unavailable},
		"commit unknown":   {db.ErrCommitUnknown, 503, order.Unavailable},
		"deadline":         {context.DeadlineExceeded, 503, order.Unavailable},
		"closed":           {groupcommit.ErrClosed, 503, order.Unavailable},
		"constraint of us": {&pgconn.PgError{Code: "23514", Message: "secret"}, 500, order.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, failing(fmt.Errorf("place: %w", test.err)))

			r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1))
			wantProblem(t, r, test.status, test.code)

			if strings.Contains(r.body, "secret") {
				t.Errorf("the answer shows %s", r.body)
			}
		})
	}
}

func TestDatabaseThatIsGone(t *testing.T) {
	t.Parallel()

	const dead = "postgres://admin:hunter2@127.0.0.1:1/orders"

	pool, err := db.Open(t.Context(), dead)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	place := groupcommit.New(pool, groupcommit.Options{}, flow.Place(nil))
	t.Cleanup(place.Close)

	b := serve(t, func(o *api.Options) {
		o.Pool, o.Place = pool, place.Do
		o.Ready = func(ctx context.Context) error { return schema.Check(ctx, pool) }
	})

	for _, request := range [][3]string{
		{"POST", "/orders", placeBody("u", "tea", 1)},
		{"GET", "/orders", ""},
		{"GET", "/orders/019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11", ""},
		{"GET", "/products", ""},
		{"GET", "/products/tea", ""},
		{"PUT", "/products/tea", `{"name":"n","price":1,"currency":"EUR"}`},
		{"POST", "/products/tea/receipts", `{"quantity":1,"reference":"r"}`},
		{"GET", "/users/u/points", ""},
		{"GET", "/users/u/notifications", ""},
		{"GET", "/readyz", ""},
	} {
		r := b.ask(t, request[0], request[1], request[2])
		wantProblem(t, r, 503, order.Unavailable)

		if r.header.Get("Retry-After") != "1" || strings.Contains(r.body, "127.0.0.1") || strings.Contains(r.body, "hunter2") {
			t.Errorf("%s %s: %v %s", request[0], request[1], r.header, r.body)
		}
	}

	if r := b.ask(t, "GET", "/healthz", ""); r.status != 200 {
		t.Errorf("the process lives: %d %s", r.status, r.body)
	}

	if strings.Contains(b.log.String(), "hunter2") {
		t.Error("the log has the password")
	}
}

func TestReadyAndAlive(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) {
		o.Ready = func(ctx context.Context) error {
			if _, has := ctx.Deadline(); !has {
				t.Error("no deadline")
			}

			return schema.Check(ctx, o.Pool)
		}
	})

	for _, path := range []string{"/healthz", "/readyz"} {
		if r := b.ask(t, "GET", path, ""); r.status != 200 || r.body != `{"status":"ok","version":"test"}`+"\n" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}

	if _, err := b.pool.Exec(t.Context(), `DELETE FROM orders_migrations WHERE version = (SELECT max(version) FROM orders_migrations)`); err != nil {
		t.Fatal(err)
	}

	wantProblem(t, b.ask(t, "GET", "/readyz", ""), 503, order.Unavailable)

	if line := b.log.line(t, "request not served"); !strings.Contains(fmt.Sprint(line["error"]), "orders migrate up") {
		t.Errorf("the log does not say what to do: %v", line)
	}
}

// A panic escapes huma.
func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()

	b := serve(t, func(o *api.Options) {
		o.Place = func(context.Context, flow.Placement) (flow.Placed, error) { panic("hunter2") }
	})

	r := b.ask(t, "POST", "/orders", placeBody("u", "tea", 1))
	wantProblem(t, r, 500, order.Internal)

	if strings.Contains(r.body, "hunter2") {
		t.Errorf("the answer shows %s", r.body)
	}

	if line := b.log.line(t, "panic"); line["cause"] != "hunter2" || !strings.Contains(fmt.Sprint(line["stack"]), "problem_test.go") {
		t.Errorf("the log has %v", line)
	}

	if line := b.log.line(t, "request"); line["status"] != 500.0 {
		t.Errorf("the log has %v", line)
	}
}

func TestPanicInMidAnswerCutsTheConnection(t *testing.T) {
	t.Parallel()

	for name, cause := range map[string]any{"panic": "oops", "abort": http.ErrAbortHandler} {
		b := serve(t, func(o *api.Options) {
			o.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "half")
				http.NewResponseController(w).Flush()
				panic(cause)
			})
		})

		answer := b.open(t, "/riverui/")

		if n, err := answer.Read(make([]byte, 10)); n != 4 || err != nil {
			t.Errorf("%s: read %d, %v", name, n, err)
		}

		if _, err := answer.Read(make([]byte, 10)); err == nil || err.Error() == "EOF" {
			t.Errorf("%s: half an answer looks whole: %v", name, err)
		}
	}
}

func TestPathsAndMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for _, path := range []string{"/nothing", "/orders/", "/orders/a/b", "/docs/embed.go", "/openapi", "/schemas/Order.json", "/riverui/", "/metrics", "/%2e%2e/etc/passwd"} {
		wantProblem(t, b.ask(t, "GET", path, ""), 404, order.NotFound)
	}

	for request, allow := range map[[2]string]string{
		{"DELETE", "/orders"}:          "GET, HEAD, POST",
		{"POST", "/products/tea"}:      "GET, HEAD, PUT",
		{"PATCH", "/orders/x"}:         "GET, HEAD",
		{"OPTIONS", "/healthz"}:        "GET, HEAD",
		{"GET", "/products/t/archive"}: "POST",
		{"BREW", "/docs"}:              "GET, HEAD",
	} {
		r := b.ask(t, request[0], request[1], "")
		wantProblem(t, r, 405, "method-not-allowed")

		if got := r.header.Get("Allow"); got != allow {
			t.Errorf("%v: Allow = %q, want %q", request, got, allow)
		}
	}

	if r := b.ask(t, "HEAD", "/healthz", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}

	for _, path := range []string{"//orders", "/orders//", "/products/../orders", "/./healthz", "/users/./points"} {
		b.exact(t, "GET", path) // no redirect
	}
}

func TestWorkThatTakesTooLongIsUnavailable(t *testing.T) {
	t.Parallel()

	b := serve(t, func(o *api.Options) {
		o.Place = func(ctx context.Context, _ flow.Placement) (flow.Placed, error) {
			deadline, has := ctx.Deadline()
			if left := time.Until(deadline); !has || left > 15*time.Second {
				t.Errorf("deadline in %s", left)
			}

			ctx, cancel := context.WithDeadline(ctx, time.Now()) // what happens when it passes
			defer cancel()

			return flow.Placed{}, ctx.Err()
		}
	})

	wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u", "tea", 1)), 503, order.Unavailable)
}
