package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/condition"
	"orders/db/dbtest"
)

// The exit codes are those of the plugins of Nagios.
func TestCheck(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	exec := func(sql string) {
		t.Helper()

		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	check := func(address string, want int, says ...string) string {
		t.Helper()

		args := append([]string{"check"}, says[len(says)-1:]...)
		says = says[:len(says)-1]

		code, stdout, stderr := inProcess(t, address, strings.Fields(strings.Join(args, " "))...)
		if code != want {
			t.Errorf("%v: exit code %d, want %d: %s%s", args, code, want, stdout, stderr)
		}

		for _, text := range says {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%v does not say %q: %s%s", args, text, stdout, stderr)
			}
		}

		return stdout
	}

	out := check(url, 2, "CRIT no-workers: No living worker works the queues delivery, inventory", "CRIT no-leader: ", "WARN audit-late: ", "OK schema: ", "")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != len(condition.Names()) || !strings.HasPrefix(lines[0], "CRIT") || !strings.HasPrefix(lines[2], "WARN") {
		t.Errorf("a line for each condition, the worst first: %s", out)
	}

	check(url, 1, "WARN audit-late: ", "--skip no-workers,no-leader")
	check(url, 3, "--skip: \"workers\" is not one of schema, no-workers", "--skip workers")
	check(url, 3, "unknown flag", "--warning")
	check("postgres://127.0.0.1:1/x", 3, "UNKNOWN database: no Postgres listens at 127.0.0.1:1", "")
	check(dbtest.Empty(t), 2, "CRIT schema: ", "")

	// With all that a healthy system has, there is nothing to warn of.
	exec(`INSERT INTO river_leader (leader_id, elected_at, expires_at) VALUES ('w', now(), now() + interval '1 hour')`)
	exec(`INSERT INTO workers (id, host, pid, version, sessions, queues, seen_at)
		SELECT 'w', 'h', 1, 'v', '', '{"inventory": 1, "points": 1, "notification": 1, "lifecycle": 1, "delivery": 1, "maintenance": 1}', now() + interval '1 hour'`)
	exec(`INSERT INTO audit_runs (mode, started_at, finished_at, orders, violations) VALUES ('incremental', now(), now(), 1, 0)`)
	check(url, 0, "OK no-workers: ", "")

	deadLetters(t, url, 2)
	exec(`UPDATE dead_letters SET attention_at = now()`)
	check(url, 1, "WARN dead-letters: 2 dead letters need an operator", "")
	check(url, 2, "CRIT dead-letters: ", "--letters-critical 2")
	check(url, 0, "OK dead-letters: ", "--letters-warning 3")

	var list []struct {
		Condition string `json:"condition"`
		Severity  string `json:"severity"`
		Sentence  string `json:"sentence"`
		Runbook   string `json:"runbook"`
	}
	if err := json.Unmarshal([]byte(check(url, 1, "--format json")), &list); err != nil || list[0].Condition != "dead-letters" ||
		list[0].Severity != "warning" || list[0].Runbook != "docs/operations.md#dead-letters" {
		t.Errorf("%v %+v", err, list)
	}
}

// The flags of check have the defaults of the conditions.
func TestCheckHasTheLimitsOfTheConditions(t *testing.T) {
	t.Parallel()

	var c cli
	if _, err := newParser(&c).Parse([]string{"check"}); err != nil {
		t.Fatal(err)
	}

	if got, want := c.Check.Limits(), condition.DefaultLimits(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
