package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/db/dbtest"
)

func TestAnOrderFromTheShell(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	deadLetters(t, url, 1)

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	var id uuid.UUID
	if err := pool.QueryRow(t.Context(), `SELECT id FROM orders`).Scan(&id); err != nil {
		t.Fatal(err)
	}

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO river_job (max_attempts, args, kind, queue, state, attempt, errors, unique_key, unique_states)
		SELECT 10, '{}', kind, kind, 'retryable', 1, ARRAY['{"at":"2026-01-05T09:30:00Z","attempt":1,"error":"no table x"}'::jsonb], unique_keys[1], B'11111111'
		FROM order_jobs
		WHERE kind = 'notification'`); err != nil {
		t.Fatal(err)
	}

	unknown := uuid.NewString()

	for _, step := range []struct {
		args []string
		code int
		says []string
	}{
		{args: []string{"why", id.String()}, says: []string{"Order " + id.String() + " is confirmed. The points job has been dead", "dead_letter", "newest error", "no table x"}},
		{args: []string{"why", unknown}, code: exitError, says: []string{"There is no order"}},
		{args: []string{"why", "x"}, code: exitUsage, says: []string{"an order's id, a UUID such as", "orders why --help"}},
		{args: []string{"why", id.String(), "--format", "csv"}, code: exitUsage, says: []string{"table"}},
		{args: []string{"timeline", id.String()}, says: []string{"The order was placed", "The points job was given up"}},
		{args: []string{"timeline", id.String(), "--limit", "1"}, says: []string{"older entries"}},
		{args: []string{"timeline", id.String(), "--limit", "0"}, code: exitUsage, says: []string{"1 to 1000"}},
		{args: []string{"timeline", unknown}, code: exitError, says: []string{"There is no order"}},
		{args: []string{"cancel", id.String()}, code: exitUsage, says: []string{"--reason"}},
		{args: []string{"cancel", id.String(), "--reason", " "}, code: exitUsage, says: []string{"Say why"}},
		{args: []string{"cancel", id.String(), "--reason", strings.Repeat("x", 501)}, code: exitUsage, says: []string{"longer than 500"}},
		{args: []string{"cancel", id.String(), "--reason", "a\x1bb"}, code: exitUsage, says: []string{"control characters"}},
		{args: []string{"cancel", unknown, "--reason", "x"}, code: exitError, says: []string{"There is no order"}},
		{args: []string{"cancel", id.String(), "--reason", "asked by phone"}, says: []string{"is cancelled (asked by phone)"}},
		{args: []string{"cancel", id.String(), "--reason", "other"}, says: []string{"is cancelled (asked by phone)"}},
		{args: []string{"timeline", id.String()}, says: []string{"cli:", "The order is cancelled: asked by phone."}},
		{args: []string{"why", id.String()}, says: []string{"nothing more happens"}},
	} {
		code, stdout, stderr := inProcess(t, url, step.args...)
		if code != step.code {
			t.Errorf("%q: exit code %d, want %d: %s", step.args, code, step.code, stderr)
		}

		for _, text := range step.says {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%q does not say %q:\n%s%s", step.args, text, stdout, stderr)
			}
		}
	}

	ask := func(into any, args ...string) {
		t.Helper()

		code, stdout, stderr := inProcess(t, url, append(args, id.String(), "--format", "json")...)
		if err := json.Unmarshal([]byte(stdout), into); code != exitOK || err != nil {
			t.Fatalf("%v: exit code %d, %v: %s%s", args, code, err, stdout, stderr)
		}
	}

	var (
		why       api.Explanation
		timeline  api.OrderTimeline
		cancelled api.Order
	)

	if ask(&why, "why"); why.OrderID != id || why.Code != "final" || why.Reasons == nil {
		t.Errorf("%+v", why)
	}

	if ask(&timeline, "timeline"); len(timeline.Entries) < 3 || timeline.Truncated {
		t.Errorf("%+v", timeline)
	}

	if ask(&cancelled, "cancel", "--reason", "x"); cancelled.ID != id || cancelled.StatusReason != "asked by phone" {
		t.Errorf("%+v", cancelled)
	}
}
