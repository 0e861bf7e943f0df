package dbtest

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Explain runs do in a transaction that is rolled back, and returns each of its
// statements with the plan that Postgres makes for it.
func Explain(tb testing.TB, pool *pgxpool.Pool, do func(ctx context.Context, tx pgx.Tx) error) []string {
	tb.Helper()

	return explain(tb, pool, "", do)
}

// ExplainAnalyze is [Explain] with plans that say how many rows each node read.
// Each statement runs twice, so a statement that writes must be idempotent.
func ExplainAnalyze(tb testing.TB, pool *pgxpool.Pool, do func(ctx context.Context, tx pgx.Tx) error) []string {
	tb.Helper()

	return explain(tb, pool, "(ANALYZE, TIMING OFF) ", do)
}

func explain(tb testing.TB, pool *pgxpool.Pool, options string, do func(ctx context.Context, tx pgx.Tx) error) []string {
	tb.Helper()

	rollback := errors.New("rolled back")
	e := explainer{options: options}

	err := pgx.BeginFunc(tb.Context(), pool, func(tx pgx.Tx) error {
		// The jit makes plans only harder to read.
		if _, err := tx.Exec(tb.Context(), `SET LOCAL jit = off`); err != nil {
			return err
		}

		e.Tx = tx
		if err := do(tb.Context(), &e); err != nil {
			return err
		}

		return rollback
	})
	if !errors.Is(err, rollback) {
		tb.Fatalf("dbtest: explain: %v", err)
	}

	if len(e.plans) == 0 {
		tb.Fatal("dbtest: no statement was explained")
	}

	return e.plans
}

// explainer is a transaction that notes the plan of each statement before it runs it.
type explainer struct {
	pgx.Tx

	options string // of EXPLAIN
	plans   []string
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := e.explain(ctx, sql, args); err != nil {
		return nil, err
	}

	return e.Tx.Query(ctx, sql, args...)
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := e.explain(ctx, sql, args); err != nil {
		return failedRow{err}
	}

	return e.Tx.QueryRow(ctx, sql, args...)
}

func (e *explainer) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		if err := e.explain(ctx, q.SQL, q.Arguments); err != nil {
			return pgx.FailedBatchResults(b, err)
		}
	}

	return e.Tx.SendBatch(ctx, b)
}

func (e *explainer) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := e.explain(ctx, sql, args); err != nil {
		return pgconn.CommandTag{}, err
	}

	return e.Tx.Exec(ctx, sql, args...)
}

func (e *explainer) explain(ctx context.Context, sql string, args []any) error {
	rows, err := e.Tx.Query(ctx, "EXPLAIN "+e.options+sql, args...)
	if err != nil {
		return err
	}

	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}

	e.plans = append(e.plans, strings.TrimSpace(sql)+"\n\n"+strings.Join(lines, "\n"))

	return nil
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// small are the tables that have one row, or a row a process, a queue, a step, a sweep, a mode of the audit,
// an endpoint, a database or a role.
const small = "event_horizon|endpoints|sweeps|audit_runs|workers|watermarks|river_leader|river_queue|steps|pg_database|pg_authid"

var (
	seqScan = regexp.MustCompile(`Seq Scan on (\w+)`)
	isSmall = regexp.MustCompile(`^(` + small + `)$`)
	many    = regexp.MustCompile(`(actual rows=|Removed by Filter: )\d{5,}`)
)

// ScansGrowingTable tells whether a plan reads a table that grows from end to end.
func ScansGrowingTable(plan string) bool {
	for _, scan := range seqScan.FindAllStringSubmatch(plan, -1) {
		if !isSmall.MatchString(scan[1]) {
			return true
		}
	}

	return false
}

// ReadsMany tells whether a node of an analyzed plan gave out, or read and left out,
// 10,000 rows or more.
func ReadsMany(plan string) bool { return many.MatchString(plan) }

// Err drops a function's result: for calls that are made for their plans.
func Err[T any](_ T, err error) error { return err }

// Querier is what [Count] asks: a pool or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Count reads the one number that a query returns.
func Count(tb testing.TB, q Querier, sql string, args ...any) (n int) {
	tb.Helper()

	if err := q.QueryRow(tb.Context(), sql, args...).Scan(&n); err != nil {
		tb.Fatalf("dbtest: count: %v", err)
	}

	return n
}
