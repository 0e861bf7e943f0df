package audit_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/audit"
	"orders/db/dbtest"
)

func TestInvariantsSayWhatTheyAre(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()

	parameters := map[audit.Scope]int{audit.ScopeOrders: 2, audit.ScopeWindow: 3, audit.ScopeSums: 1}

	for _, i := range audit.Invariants() {
		if !regexp.MustCompile(`^[A-Z].*\.$`).MatchString(i.Sentence) {
			t.Errorf("%s: the sentence is %q", i.Name, i.Sentence)
		}

		statement, err := conn.Conn().Prepare(t.Context(), "", i.SQL)
		if err != nil {
			t.Errorf("%s: %v", i.Name, err)

			continue
		}

		if most, known := parameters[i.Scope]; !known || len(statement.ParamOIDs) > most {
			t.Errorf("%s: %d parameters for scope %q", i.Name, len(statement.ParamOIDs), i.Scope)
		}

		columns := make([]string, 0, len(i.Columns))
		for _, c := range i.Columns {
			columns = append(columns, c.Name)

			if c.Doc == "" {
				t.Errorf("%s: column %s is not explained", i.Name, c.Name)
			}
		}

		if !slices.Equal(columns, []string{"subject", "detail"}) || len(statement.Fields) != 2 {
			t.Errorf("%s: the header has %v, the query %d columns", i.Name, columns, len(statement.Fields))
		}
	}

	if n := len(audit.Invariants()); n != 10 {
		t.Errorf("%d invariants", n)
	}
}

// growHistory fills a database with n orders that were placed, one a second, until an hour ago, and settled at once.
func growHistory(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()

	for _, sql := range []string{
		`INSERT INTO products (sku, name, price, currency) SELECT 'sku-' || n, 'x', 1, 'EUR' FROM generate_series(0, 499) AS n`,
		`INSERT INTO stock_receipts (sku, reference, quantity, at)
			SELECT 'sku-' || n % 500, 'r-' || n, 100, now() - interval '1 hour' - n * interval '1 second' FROM generate_series($1::int, 1, -1) AS n`,
		`INSERT INTO orders (id, user_id, status, currency, total, hold_until, created_at, updated_at)
			SELECT overlay(uuid_at(at)::text PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid, 'u-' || n / 2, 'confirmed', 'EUR', n, at + interval '1 minute', at, at
			FROM generate_series($1::int, 1, -1) AS n, LATERAL (SELECT now() - interval '1 hour' - n * interval '1 second') AS placed (at)`,
		`INSERT INTO order_lines SELECT id, 'sku-' || total % 500, 1, 1 FROM orders ORDER BY id`,
		`INSERT INTO stock_movements SELECT o.id, l.sku, 'deduct', 1, o.created_at FROM orders AS o JOIN order_lines AS l ON l.order_id = o.id ORDER BY o.id`,
		`INSERT INTO points_entries SELECT id, 'earn', user_id, 10, created_at FROM orders ORDER BY id`,
		`INSERT INTO points_balances SELECT user_id, sum(points) FROM points_entries GROUP BY user_id`,
		`INSERT INTO notifications SELECT id, 'created', user_id, 'x', created_at FROM orders ORDER BY id`,
		`INSERT INTO payments SELECT o.id, o.id::text, created_at FROM orders AS o ORDER BY o.id`,
		`INSERT INTO idempotency_keys SELECT 'orders', o.id::text, '', o.id, created_at FROM orders AS o ORDER BY o.id`,
		`INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, resolved_at, resolution)
			SELECT row_number() OVER (ORDER BY id), 'points', 'points', id, '{}', '[]', 'x', 10, 'unknown', 'x', now(), 'redriven' FROM orders`,
		`INSERT INTO river_job (state, max_attempts, args, kind, queue, finalized_at)
			SELECT 'completed', 10, jsonb_build_object('order_id', id), 'points', 'points', now() FROM orders`,
		`UPDATE products SET available = (SELECT sum(quantity) FROM stock_receipts AS r WHERE r.sku = products.sku)
			- (SELECT coalesce(sum(quantity), 0) FROM stock_movements AS m WHERE m.sku = products.sku)`,
	} {
		var args []any
		if strings.Contains(sql, "$1") {
			args = append(args, n)
		}

		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}

	if _, err := pool.Exec(t.Context(), `VACUUM ANALYZE`); err != nil {
		t.Fatal(err)
	}
}

// What an incremental audit reads depends on what is new, not on how much there is.
func TestIncrementalAuditDoesNotReadHistory(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	growHistory(t, pool, 30_000)

	for _, i := range audit.Invariants() {
		if violations, err := i.Check(t.Context(), pool, 0, nil); err != nil || len(violations) > 0 {
			t.Fatalf("the history is not clean: %v, %v", violations, err)
		}
	}

	// The catalogue is read as a whole, to see manual changes; it does not grow with orders.
	history := regexp.MustCompile(`Seq Scan on (orders|order_lines|stock_receipts|stock_movements|points_entries|points_balances|notifications|payments|idempotency_keys|dead_letters|river_job)\b`)

	var age time.Duration // of all but the last 20 orders

	if err := pool.QueryRow(t.Context(), `SELECT now() - max(created_at) + interval '20 seconds' FROM orders`).Scan(&age); err != nil {
		t.Fatal(err)
	}

	var increment audit.Increment

	next := func(grace time.Duration) func(ctx context.Context, tx pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) (err error) {
			increment, err = audit.Next(ctx, tx, audit.Options{Grace: grace, Limit: 100_000, Again: true})

			return err
		}
	}

	if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error { return next(age)(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}

	plans := dbtest.Explain(t, pool, next(0))

	if increment.Orders < 15 || increment.Orders > 25 || len(increment.Violations) > 0 || !increment.Done {
		t.Errorf("the audit of what is new: %+v", increment)
	}

	for _, plan := range plans {
		if history.MatchString(plan) {
			t.Error(plan)
		}
	}

	if len(plans) < 15 {
		t.Errorf("%d plans", len(plans))
	}
}

// What the ledgers got in a span of time is found by their BRIN indexes, and orders are not asked.
func TestAWindowOfStepEffectsReadsNoHistory(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	growHistory(t, pool, 30_000)

	plans := dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return dbtest.Err(tx.Exec(ctx, `
			SELECT order_id
			FROM step_effects
			WHERE ledger <> 'orders'
				AND at > now() - interval '62 minutes'
				AND at <= now() - interval '61 minutes'`))
	})

	for _, plan := range plans {
		_, nodes, _ := strings.Cut(plan, "\n\n")

		for _, ledger := range []string{"stock_movements", "points_entries", "notifications"} {
			if !strings.Contains(nodes, "Bitmap Index Scan on "+ledger+"_at_idx") {
				t.Errorf("%s is not read by its BRIN index", ledger)
			}
		}

		if dbtest.ScansGrowingTable(plan) || strings.Contains(nodes, " on orders") {
			t.Error(plan)
		}
	}
}

// A page of findings begins where the page before it ended.
func TestFindingsInPages(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	_, err := pool.Exec(context.WithoutCancel(t.Context()), `
		INSERT INTO audit_findings (invariant, subject, detail, resolved_at)
		SELECT 'i-' || n % 3, 's-' || n, 'x', CASE WHEN n % 2 = 0 THEN now() - n / 4 * interval '1 hour' END
		FROM generate_series(1, 20) AS n`)
	if err != nil {
		t.Fatal(err)
	}

	all, err := audit.Findings(t.Context(), pool, nil, 100)
	if err != nil || len(all) != 20 {
		t.Fatal(len(all), err)
	}

	for n, f := range all {
		if (f.ResolvedAt == nil) != (n < 10) {
			t.Errorf("finding %d: %+v", n, f)
		}
	}

	var after *audit.Position

	paged := make([]audit.Finding, 0, len(all))

	for range 7 {
		page, err := audit.Findings(t.Context(), pool, after, 3)
		if err != nil {
			t.Fatal(err)
		}

		paged = append(paged, page...)
		last := page[len(page)-1]
		after = &audit.Position{ResolvedAt: last.ResolvedAt, Invariant: last.Invariant, Subject: last.Subject}
	}

	if !slices.EqualFunc(all, paged, func(a, b audit.Finding) bool { return a.Invariant == b.Invariant && a.Subject == b.Subject }) {
		t.Errorf("in pages: %+v", paged)
	}
}
