package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orders/db"
	"orders/db/dbtest"
)

func TestMain(m *testing.M) {
	// The bench starts its own program as the textbook service.
	if len(os.Args) > 1 && os.Args[1] == "textbook" {
		main()
	}

	dbtest.Main(m, db.MigrateUp)
}

// TestBench runs a small one from end to end, on real processes.
func TestBench(t *testing.T) {
	t.Parallel()

	program := filepath.Join(t.TempDir(), "orders")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../orders").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	var stdout, stderr bytes.Buffer

	args := []string{"--orders", program, "--scenario", "textbook,spread", "--orders-per-run", "300", "--repeat", "1", "--json", "-"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}

	var got report
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}

	for _, scenario := range []string{"textbook", "spread"} {
		for figure, want := range map[string]float64{"placed": 300, "settled": 300, "deadlocks": 0} {
			if value, there := got.median(scenario, figure); !there || value != want {
				t.Errorf("%s: %s = %g, want %g", scenario, figure, value, want)
			}
		}

		for _, figure := range []string{
			"placed_per_s", "settled_per_s", "post_p50_ms", "post_p999_ms", "settle_p99_ms",
			"postgres_cpu_s", "serve_cpu_s", "load_cpu_s", "serve_rss_peak_mib", "wal_kb_per_order", "transactions_per_1000",
		} {
			if value, _ := got.median(scenario, figure); value <= 0 {
				t.Errorf("%s: %s = %g", scenario, figure, value)
			}
		}
	}

	if got.Machine.Cores == 0 || got.Machine.Postgres == "" || len(got.Targets) == 0 {
		t.Errorf("report = %+v", got)
	}

	if !strings.Contains(stderr.String(), "spread 1/1") {
		t.Errorf("progress = %s", &stderr)
	}
}

func TestUnknownScenario(t *testing.T) {
	t.Parallel()

	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--scenario", "sprd"}, &bytes.Buffer{}, &stderr); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}

	if !strings.Contains(stderr.String(), `no scenario "sprd"`) {
		t.Errorf("it said: %s", &stderr)
	}
}

// TestProofFails shows that a run whose work was not done gives no figures.
func TestProofFails(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ undo, want string }{
		"order lost":     {`ALTER TABLE order_lines DROP CONSTRAINT IF EXISTS order_lines_order_id_fkey; DELETE FROM order_lines; DELETE FROM orders`, "20 orders were accepted; there are 0"},
		"order too many": {`INSERT INTO orders SELECT uuid_at(now()), 'u-1', 'confirmed', '', 'EUR', 1, NULL, now(), now()`, "there are 21"},
		"other order":    {`ALTER TABLE order_lines DROP CONSTRAINT IF EXISTS order_lines_order_id_fkey; UPDATE orders SET id = uuid_at(now()) WHERE id = (SELECT max(id::text)::uuid FROM orders)`, "1 are missing"},
		"line lost":      {`DELETE FROM order_lines WHERE (order_id, sku) IN (SELECT order_id, sku FROM order_lines LIMIT 1)`, "with 39 lines, not 40"},
		"status":         {`UPDATE orders SET status = 'pending'`, "20 orders are pending, should be 0"},
		"stock":          {`UPDATE products SET available = available + 1 WHERE sku = 'sku-3'`, "stock-balance: 1 violations, such as sku-3"},
		"deduct":         {`DELETE FROM stock_movements`, "stock-"},
		"points":         {`DELETE FROM points_entries; DELETE FROM points_balances`, "no-orphans: 20 violations"},
		"balance":        {`UPDATE points_balances SET balance = 0`, "points-balance"},
		"notification":   {`DELETE FROM notifications`, "no-orphans: 20 violations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)

			if err := stock(t.Context(), pool, spread); err != nil {
				t.Fatal(err)
			}

			start := time.Now()
			ids, err := floorOrders(t.Context(), pool, 20)
			if err == nil {
				err = floorSteps(t.Context(), pool, ids)
			}

			if err == nil {
				err = execEach(t.Context(), pool, `TRUNCATE river_job`) // while a job lives, its effect may be missing
			}

			if err != nil {
				t.Fatal(err)
			}

			r := &measured{scenario: scenario{work: spread}, loaded: &loaded{start: start, accepted: ids}}
			r.loaded.fates[confirmed] = len(ids)

			if err := r.prove(t.Context(), pool); err != nil {
				t.Fatalf("before: %v", err)
			}

			if _, err := pool.Exec(t.Context(), c.undo); err != nil {
				t.Fatal(err)
			}

			if err := r.prove(t.Context(), pool); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("proof = %v, want %q", err, c.want)
			}
		})
	}
}

// TestProofKnowsUnknownAnswers has an order whose request was answered 503 after
// it was placed.
func TestProofKnowsUnknownAnswers(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	if err := stock(t.Context(), pool, spread); err != nil {
		t.Fatal(err)
	}

	start := time.Now()

	ids, err := floorOrders(t.Context(), pool, 2)
	if err == nil {
		err = floorSteps(t.Context(), pool, ids)
	}

	if err == nil {
		_, err = pool.Exec(t.Context(), `
			INSERT INTO idempotency_keys (scope, key, request_hash, order_id, created_at)
			SELECT 'orders', 'late', '', id, created_at FROM orders WHERE id = $1`, ids[1])
	}

	if err != nil {
		t.Fatal(err)
	}

	r := &measured{scenario: scenario{work: spread}, loaded: &loaded{
		start: start, accepted: ids[:1], unknown: map[string]fate{"late": confirmed, "never": confirmed},
	}}
	r.loaded.fates[confirmed] = 1

	if err := r.prove(t.Context(), pool); err != nil {
		t.Error(err)
	}
}

func TestWhatWouldMeasureNothingIsRefused(t *testing.T) {
	t.Parallel()

	for _, flag := range []string{"--repeat=0", "--orders-per-run=0", "--connections=0", "--soak=-1s"} {
		var stdout, stderr bytes.Buffer

		if code := run(t.Context(), []string{flag}, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "1 or more") {
			t.Errorf("%s: exit code %d, %s", flag, code, stderr.String())
		}
	}
}
