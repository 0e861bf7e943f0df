package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"orders/db"
	"orders/db/dbtest"
)

// Any number of each: two APIs and two workers share one database.
func TestServeAndWorkAsProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if code := start(t, map[string]string{"DATABASE_URL": url}, "seed").ended(); code != 0 {
		t.Fatalf("seed: exit code %d", code)
	}

	const each = 2

	serving, working := make([]*process, 0, each), make([]*process, 0, each)

	for range each {
		serving = append(serving, start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve"))

		health := address(t)
		worker := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_WORK_LISTEN": health}, "work")
		worker.url = "http://" + health
		working = append(working, worker)
	}

	for _, p := range append(serving, working...) {
		p.ready()
	}

	for n := range 100 {
		if _, status, err := serving[n%2].place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`); status != http.StatusCreated {
			t.Fatalf("order %d: %d, %v", n, status, err)
		}
	}

	eventually(t, pool, 100, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	eventually(t, pool, 1_000, `SELECT coalesce(sum(balance), 0)::int FROM points_balances`)

	for _, p := range append(serving, working...) {
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d: %s", code, p.output)
		}
	}

	if n := 0; pool.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE state = 'running'`).Scan(&n) != nil || n != 0 {
		t.Errorf("%d jobs are left running", n)
	}
}

// A request in flight when a signal ends the program gets its response.
func TestServeFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	start(t, map[string]string{"DATABASE_URL": url}, "seed").ended()

	listen := address(t)
	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": listen}, "serve").ready()

	const body = `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	fmt.Fprintf(conn, "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))

	responses := bufio.NewReader(conn)
	if line, err := responses.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the handler reads the body
		t.Fatalf("%q, %v", line, err)
	}

	responses.ReadString('\n')
	io.WriteString(conn, body[:10])

	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		another, err := new(net.Dialer).DialContext(t.Context(), "tcp", listen)
		if err != nil {
			break // it drains
		}

		another.Close()

		if time.Now().After(deadline) {
			t.Fatal("it still accepts connections")
		}
	}

	io.WriteString(conn, body[10:])

	response, err := http.ReadResponse(responses, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusCreated {
		t.Errorf("status %d", response.StatusCode)
	}

	if code := p.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What cannot work is refused at once, with a text that says what to do.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()

	empty, current := dbtest.Empty(t), dbtest.URL(t)
	taken := address(t)

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", taken)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { listener.Close() })

	for name, test := range map[string]struct {
		args     []string
		settings map[string]string
		code     int
		says     []string
	}{
		"serve without a database": {args: []string{"serve"}, code: exitError, says: []string{"DATABASE_URL", "orders dev"}},
		"work without a database":  {args: []string{"work"}, code: exitError, says: []string{"DATABASE_URL"}},
		"serve on an empty database": {
			args: []string{"serve"}, settings: map[string]string{"DATABASE_URL": empty, "ORDERS_LISTEN": "127.0.0.1:0"},
			code: exitError, says: []string{"orders migrate up"},
		},
		"work on an empty database": {
			args: []string{"work"}, settings: map[string]string{"DATABASE_URL": empty}, code: exitError, says: []string{"orders migrate up"},
		},
		"serve on all addresses": {
			args: []string{"serve"}, settings: map[string]string{"DATABASE_URL": current, "ORDERS_LISTEN": "0.0.0.0:0"},
			code: exitUsage, says: []string{"ORDERS_LISTEN", "--insecure", "orders token create"},
		},
		"serve without a token": {
			args: []string{"serve"}, settings: map[string]string{"DATABASE_URL": current, "ORDERS_LISTEN": "127.0.0.1:0", "ORDERS_INSECURE": "false"},
			code: exitError, says: []string{"orders token create --name NAME --role operator", "ORDERS_OPERATOR_TOKEN", "--insecure"},
		},
		"an operator's token that can be guessed": {
			args: []string{"serve"}, settings: map[string]string{"DATABASE_URL": current, "ORDERS_OPERATOR_TOKEN": "secret"},
			code: exitUsage, says: []string{"ORDERS_OPERATOR_TOKEN", "32 characters"},
		},
		"an address that is taken": {
			args: []string{"serve"}, settings: map[string]string{"DATABASE_URL": current, "ORDERS_LISTEN": taken},
			code: exitError, says: []string{"in use", "ORDERS_LISTEN"},
		},
		"all mistakes at once": {
			args: []string{"serve"}, settings: map[string]string{"ORDERS_LISTEN": "nowhere", "ORDERS_ATTEMPTS": "0"},
			code: exitUsage, says: []string{"ORDERS_LISTEN", "ORDERS_ATTEMPTS"},
		},
		"all mistakes at once, if some cannot be read": {
			args: []string{"serve"}, settings: map[string]string{"ORDERS_LISTEN": "nowhere", "ORDERS_ATTEMPTS": "x", "ORDERS_MAX_WAIT": "5"},
			code: exitUsage, says: []string{"ORDERS_LISTEN", "ORDERS_ATTEMPTS", "ORDERS_MAX_WAIT", "a duration such as", "orders serve --help"},
		},
		"an audit of the future": {args: []string{"audit", "--grace=-5m"}, code: exitUsage, says: []string{"not negative"}},
		"a parameter that a report has not": {
			args: []string{"report", "latencies", "--since", "now-1h"}, settings: map[string]string{"DATABASE_URL": current},
			code: exitUsage, says: []string{"no parameter --since"},
		},
		"a report of no period": {
			args: []string{"report", "failures", "--until", "1900-01-01"}, settings: map[string]string{"DATABASE_URL": current},
			code: exitUsage, says: []string{"--until is before --since, which is"},
		},
		"an unknown command": {args: []string{"sreve"}, code: exitUsage, says: []string{"sreve", "--help"}},
		"an unknown report": {
			args: []string{"report", "no-such"}, settings: map[string]string{"DATABASE_URL": current}, code: exitUsage, says: []string{"settle-times"},
		},
		"health of no process": {args: []string{"health"}, settings: map[string]string{"ORDERS_LISTEN": "127.0.0.1:1"}, code: exitError, says: []string{"refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := start(t, test.settings, test.args...)
			if code := p.ended(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}

			for _, text := range test.says {
				if !strings.Contains(p.output.String(), text) {
					t.Errorf("it does not say %q:\n%s", text, p.output)
				}
			}
		})
	}
}

func TestCommandsThatPrint(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	for name, test := range map[string]struct {
		args []string
		says []string
	}{
		"help":            {args: []string{"--help"}, says: []string{"dev", "serve", "work", "migrate up", "ORDERS_LISTEN"}},
		"nothing":         {says: []string{"Usage: orders"}},
		"version":         {args: []string{"version"}, says: []string{"dev"}},
		"config":          {args: []string{"config"}, says: []string{"DATABASE_URL", "ORDERS_LISTEN", "127.0.0.1:8080"}},
		"migrate version": {args: []string{"migrate", "version"}, says: []string{"schema:  river ", "program: river "}},
		"all down":        {args: []string{"migrate", "down", "--help"}, says: []string{"--yes"}},
		"migrate up":      {args: []string{"migrate", "up"}, says: []string{"schema:  river"}},
		"list of reports": {args: []string{"report"}, says: []string{"settle-times", "stock-reconciliation"}},
		"a report":        {args: []string{"report", "orders-by-hour", "--format", "csv"}, says: []string{"hour,status"}},
		"a report's time": {args: []string{"report", "stock-movements", "--since", "now-1d", "--until=now-1h", "--sku", "tea", "--format", "json"}, says: []string{"[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := start(t, map[string]string{"DATABASE_URL": url}, test.args...)
			if code := p.ended(); code != exitOK {
				t.Errorf("exit code %d", code)
			}

			for _, text := range test.says {
				if !strings.Contains(p.output.String(), text) {
					t.Errorf("it does not say %q:\n%s", text, p.output)
				}
			}
		})
	}
}

func TestConfigHidesThePassword(t *testing.T) {
	t.Parallel()

	for url, shown := range map[string]string{
		"postgres://me:hush-hush@db/orders":                        "me:xxxxx@db",
		"postgres://me@db/orders?password=hush-hush&sslmode=allow": "me@db/orders?sslmode=allow",
		"host=db password=hush-hush":                               "not shown",
	} {
		p := start(t, map[string]string{"DATABASE_URL": url}, "config")
		if code := p.ended(); code != exitOK || strings.Contains(p.output.String(), "hush-hush") || !strings.Contains(p.output.String(), shown) {
			t.Errorf("exit code %d: %s", code, p.output)
		}
	}
}

// A client that never finishes its request keeps neither its connection open nor the
// program from ending.
func TestServeDisconnectsClientsThatNeverFinish(t *testing.T) {
	t.Parallel()

	settings := map[string]string{"DATABASE_URL": dbtest.URL(t), "ORDERS_LISTEN": address(t)}
	start(t, settings, "serve").ready()

	for name, request := range map[string]string{
		"half a header":                "GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Half",
		"a body that no handler reads": "GET /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"a body for no endpoint":       "POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", settings["ORDERS_LISTEN"])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()

			io.WriteString(conn, request)
			conn.SetReadDeadline(time.Now().Add(time.Minute)) // an endless wait fails the test

			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("it is still open: %v", err)
			}
		})
	}
}
