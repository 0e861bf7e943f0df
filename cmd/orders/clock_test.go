package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
)

// skewVariable is the variable that moves the clock of a [skewed] program.
const skewVariable = "TEST_CLOCK_SKEW"

// skewed builds the program with a copy of package time whose Now is ahead by the time in
// [skewVariable]. So all code is skewed, also that of River, and durations stay right.
var skewed = sync.OnceValues(func() (string, error) {
	const reading = "sec, nsec, mono := runtimeNow()"

	root, err := exec.CommandContext(context.Background(), "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}

	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")

	original, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}

	if strings.Count(string(original), reading) != 1 {
		return "", errors.New("package time reads the clock in another way: change this test")
	}

	dir, err := makeBinDir()
	if err != nil {
		return "", err
	}

	replace := map[string]string{}

	for name, text := range map[string]string{
		"time.go": strings.Replace(string(original), reading, "sec, nsec, mono := skewedNow()", 1),
		"skew.go": `package time

import "syscall"

var skew = func() int64 {
	text, _ := syscall.Getenv("` + skewVariable + `")
	d, _ := ParseDuration(text)

	return int64(d)
}()

func skewedNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	ns := sec*1e9 + int64(nsec) + skew

	return ns / 1e9, int32(ns % 1e9), mono
}
`,
	} {
		path := filepath.Join(dir, name)
		replace[filepath.Join(source, name)] = path

		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}

	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}

	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return "", err
	}

	return build("orders-skewed", "-overlay", path)
})

// The clocks of the API and of the worker, which is the leader, are wrong in opposite
// directions. Every moment in the database is the database's.
func TestClocksOfMachinesDoNotMatter(t *testing.T) {
	t.Parallel()

	for _, skew := range []time.Duration{-2 * time.Minute, -100 * time.Millisecond, 100 * time.Millisecond, 2 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			testSkew(t, skew)
		})
	}
}

func testSkew(t *testing.T, skew time.Duration) {
	t.Helper()

	path, err := skewed()
	if err != nil {
		t.Fatal(err)
	}

	url := dbtest.URL(t)

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	run := func(command string, skew time.Duration) *process {
		return startProgram(t, path, map[string]string{
			"DATABASE_URL": url, "ORDERS_LISTEN": address(t), skewVariable: skew.String(), "ORDERS_COMPENSATE_EVERY": "1s",
		}, command)
	}

	api := run("serve", skew).ready()
	api.stock("tea", 1_000)

	// No clock of the API decides when a job is due, when a hold ends, or what an order's id says of its time.
	for range 3 {
		if _, status, err := api.place("", `{"user_id":"u-1","hold_seconds":60,"lines":[{"sku":"tea","quantity":1}]}`); status != http.StatusCreated {
			t.Fatal(status, err)
		}
	}

	none(t, pool, map[string]string{
		"jobs are due when their orders are placed": `
			SELECT count(*)
			FROM river_job
			WHERE kind <> 'expire' AND scheduled_at <> (SELECT created_at FROM orders WHERE id = (args ->> 'order_id')::uuid)`,
		"a hold is as long as was requested": `SELECT count(*) FROM orders WHERE hold_until <> created_at + interval '60 s'`,
		"ids are of the moment of placing": `
			SELECT count(*) FROM orders WHERE id NOT BETWEEN uuid_at(created_at - interval '5 s') AND uuid_at(created_at + interval '5 s')`,
	})

	// The leader finds two jobs that run in a process that is gone: one for long, and one that has just begun.
	alter(t, pool, `
		INSERT INTO river_job (kind, queue, args, max_attempts, attempt, state, attempted_at, attempted_by)
		SELECT 'points', 'points', jsonb_build_object('order_id', gen_random_uuid()), 10, 1, 'running', now() - ago, '{gone}'
		FROM (VALUES (interval '90 s'), (interval '0')) AS began (ago)`)
	alter(t, pool, `ALTER TABLE notifications RENAME TO notifications_gone`)

	work := run("work", -skew)

	eventually(t, pool, 1, `SELECT count(*) FROM river_job WHERE attempted_by[1] = 'gone' AND errors IS NOT NULL`)
	eventually(t, pool, 1, `SELECT count(*) FROM river_job WHERE attempted_by = '{gone}' AND state = 'running'`)

	// Retries wait as long as the policy says.
	eventually(t, pool, 3, `SELECT count(*) FROM river_job WHERE kind = 'notification' AND cardinality(errors) >= 2`)

	eventually(t, pool, 1, `SELECT least(count(*), 1) FROM river_job WHERE kind = 'compensate' AND state = 'completed'`)

	none(t, pool, map[string]string{
		"a retry is due as long after the attempt as the policy says": `
		SELECT count(*)
		FROM river_job
		WHERE kind = 'notification'
			AND state IN ('available', 'retryable')
			AND scheduled_at - (errors[cardinality(errors)] ->> 'at')::timestamptz NOT BETWEEN interval '0.3 s' AND interval '6 min'`,
		"errors are of the moment of the attempt": `
		SELECT count(*)
		FROM river_job, unnest(errors) AS error
		WHERE kind = 'notification' AND (error ->> 'at')::timestamptz NOT BETWEEN now() - interval '60 s' AND now() + interval '50 ms'`,
		"sweeps are due when they are enqueued": `
			SELECT count(*)
			FROM river_job
			WHERE queue = 'maintenance' AND errors IS NULL AND scheduled_at NOT BETWEEN created_at - interval '1 s' AND created_at + interval '1 s'`,
	})

	alter(t, pool, `ALTER TABLE notifications_gone RENAME TO notifications`)
	eventually(t, pool, 3, `SELECT count(*) FROM orders WHERE status = 'awaiting_payment'`)
	saysSkew(t, api, work, skew)
}

// none checks that no row breaks a rule; sql counts those that do.
func none(t *testing.T, pool *pgxpool.Pool, broken map[string]string) {
	t.Helper()

	for rule, sql := range broken {
		if n := dbtest.Count(t, pool, sql); n != 0 {
			t.Errorf("%s: broken by %d", rule, n)
		}
	}
}

// saysSkew checks that operators are told.
func saysSkew(t *testing.T, api, work *process, skew time.Duration) {
	t.Helper()

	var (
		workers struct {
			Workers []struct {
				Skew float64 `json:"clock_skew_seconds"`
			}
		}
		ready, why struct{ Warnings []string }
		list       struct{ Orders []struct{ ID string } }
	)

	api.send("GET", "/workers", "", &workers)

	if len(workers.Workers) != 1 || max(workers.Workers[0].Skew+skew.Seconds(), -workers.Workers[0].Skew-skew.Seconds()) > 0.05 {
		t.Errorf("workers: %+v, want a skew of %s", workers, -skew)
	}

	api.send("GET", "/readyz", "", &ready)
	api.send("GET", "/orders?user_id=u-1", "", &list)
	api.send("GET", "/orders/"+list.Orders[0].ID+"/why", "", &why)

	// A machine that is slow enough also has queues without workers.
	ready.Warnings = slices.DeleteFunc(ready.Warnings, func(w string) bool { return !strings.Contains(w, "clock") })

	want := map[bool]int{true: 1}[skew.Abs() > time.Second]
	if len(ready.Warnings) != want || len(why.Warnings) != 2*want || strings.Count(work.output.String(), "the clock of this machine differs") != want {
		t.Errorf("warnings %q, want %d, and as many of the worker: %q", ready.Warnings, want, why.Warnings)
	}
}
