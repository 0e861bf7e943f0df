package main

import (
	"encoding/json"
	"strings"
	"testing"

	"orders/db"
	"orders/db/audit"
	"orders/db/dbtest"
)

// Scripts go by the exit code, people by what is printed.
func TestAuditCommand(t *testing.T) {
	t.Parallel()

	settings := map[string]string{"DATABASE_URL": dbtest.URL(t)}

	pool, err := db.Open(t.Context(), settings["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	check := func(args ...string) (code int, stdout, stderr string) {
		t.Helper()

		var out, progress strings.Builder

		args = append([]string{"--database-url", settings["DATABASE_URL"], "audit"}, args...)
		code = run(t.Context(), args, &out, &progress)

		return code, out.String(), progress.String()
	}

	if code := start(t, settings, "seed").ended(); code != 0 {
		t.Fatalf("seed: exit code %d", code)
	}

	if p := start(t, settings, "audit"); p.ended() != 0 || !strings.Contains(p.output.String(), "all 10 invariants hold") {
		t.Errorf("of clean data: %s", p.output)
	}

	_, err = pool.Exec(t.Context(), `
		UPDATE products SET available = available + 1 WHERE sku = 'tea';
		INSERT INTO orders (id, user_id, status, currency, total) SELECT uuid_at(now() - n * interval '1 hour'), 'u-1', 'rejected', 'EUR', 1 FROM generate_series(1, 150) AS n`)
	if err != nil {
		t.Fatal(err)
	}

	if p := start(t, settings, "audit"); p.ended() != exitError || !strings.Contains(p.output.String(), "the data breaks its invariants") {
		t.Errorf("of broken data: %s", p.output)
	}

	code, stdout, stderr := check()
	if code != exitError || !strings.Contains(stdout, "stock-balance     tea") || !strings.Contains(stdout, "and 50 more") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}

	if !strings.Contains(stderr, ": 150 orders, broken 150 times") || !strings.Contains(stderr, "points-balance: holds\n") {
		t.Errorf("progress:\n%s", stderr)
	}

	code, stdout, _ = check("--json")

	var result auditResult
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || code != exitError || result.OK || len(result.Invariants) != 10 {
		t.Errorf("exit code %d, %v:\n%s", code, err, stdout)
	}

	for _, o := range result.Invariants {
		if want := map[string]int{"stock-balance": 1, "ends-net-to-zero": 150}[o.Name]; len(o.Violations) != want || o.Violations == nil {
			t.Errorf("%s: %d violations, want %d", o.Name, len(o.Violations), want)
		}
	}

	open, err := audit.OpenFindings(t.Context(), pool)
	if err != nil || open["stock-balance"] != 1 || open["ends-net-to-zero"] != 150 {
		t.Errorf("recorded: %v, %v", open, err)
	}

	if code, _, stderr := check("--database-url", "postgres://nobody@localhost:1/nothing"); code != exitUnavailable || !strings.Contains(stderr, "orders: ") {
		t.Errorf("without a database: exit code %d, %s", code, stderr)
	}
}

// An audit of a standby prints what it finds, and writes nothing.
func TestAuditOfAStandby(t *testing.T) {
	t.Parallel()

	primary := dbtest.Server(t, nil)
	url := primary.URL("orders")

	for _, args := range [][]string{{"migrate", "up"}, {"seed"}} {
		expect(t, url, exitOK, nil, args...)
	}

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	alter(t, pool, `UPDATE products SET available = available + 1 WHERE sku = 'tea'`)

	standby := dbtest.Standby(t, primary).URL("orders")

	expect(t, standby, exitError, []string{"this server is read only", "stock-balance  tea", "the data breaks its invariants"}, "audit")
	expect(t, standby, exitOK, []string{"tea"}, "report", "stock-reconciliation")

	if n := dbtest.Count(t, pool, `SELECT (SELECT count(*) FROM audit_findings) + (SELECT count(*) FROM audit_runs)`); n != 0 {
		t.Errorf("the primary has %d records of it", n)
	}
}
