// Package audit checks the invariants: what must hold of the data at every moment.
// Each invariant is an SQL file beside this one, which returns a row for each
// violation.
//
// The full audit checks all there is. The incremental audit checks what is new since
// the last one, so its cost does not grow with history.
package audit

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orders/db"
	"orders/db/sqlfile"
)

// auditFiles are one SELECT each, a row for each violation.
//
//go:embed *.sql
var auditFiles embed.FS

// An Invariant is what must hold of the data at every moment, and the query that
// finds where it does not. The comment at the head of its file describes it.
type Invariant struct {
	Name     string // of the file, without .sql
	Sentence string
	Scope    Scope
	Columns  []sqlfile.Column
	SQL      string
}

// Scope says how much an invariant's query checks, and what its parameters are.
type Scope string

// The scopes.
const (
	ScopeOrders Scope = "orders" // $1 the orders, $2 (optional) how long an order may take to settle
	ScopeWindow Scope = "window" // what was written after $1 up to $2, and the subjects $3
	ScopeSums   Scope = "sums"   // everything; $1 the time up to which audit_stock_sums has the sums
)

// A Violation is where an invariant does not hold.
type Violation struct {
	Invariant string `db:"-"`
	Subject   string
	Detail    string
}

// defaultLimit bounds the orders that one statement checks.
const defaultLimit = 10_000

var (
	always = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	never  = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
)

// Invariants lists the invariants by name.
func Invariants() []Invariant { return slices.Clone(invariants()) }

var invariants = sync.OnceValue(func() []Invariant {
	files := sqlfile.Read(auditFiles)
	all := make([]Invariant, 0, len(files))

	for _, q := range files {
		all = append(all, Invariant{
			Name: q.Name, Sentence: q.Fields["sentence"], Scope: Scope(q.Fields["scope"]), Columns: q.Columns, SQL: q.SQL,
		})
	}

	return all
})

// A Progress is called with how many orders of how many have been checked.
type Progress func(done, total int)

// Check looks for violations in all there is. Each statement reads one snapshot, so
// the system may go on working. Orders younger than grace need not have settled.
// A scan of the orders calls progress, if it is not nil, after each id range.
func (i Invariant) Check(ctx context.Context, q db.Querier, grace time.Duration, progress Progress) ([]Violation, error) {
	switch i.Scope {
	case ScopeOrders:
		return i.checkOrders(ctx, q, grace, progress)
	case ScopeWindow:
		return i.find(ctx, q, always, never, []string{})
	case ScopeSums:
		return i.find(ctx, q, always)
	}

	return nil, fmt.Errorf("audit %s: no scope %q", i.Name, i.Scope)
}

func (i Invariant) checkOrders(ctx context.Context, q db.Querier, grace time.Duration, progress Progress) ([]Violation, error) {
	var (
		violations  = []Violation{}
		last        uuid.UUID
		done, total int
	)

	if err := q.QueryRow(ctx, `SELECT count(*) FROM orders`).Scan(&total); err != nil {
		return nil, fmt.Errorf("count orders: %w", err)
	}

	for {
		rows, err := q.Query(ctx, `
			SELECT id
			FROM orders
			WHERE id > $1
			ORDER BY id
			LIMIT $2`, last, defaultLimit)
		if err != nil {
			return nil, fmt.Errorf("scan orders: %w", err)
		}

		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return nil, fmt.Errorf("scan orders: %w", err)
		}

		if len(ids) == 0 {
			return violations, nil
		}

		found, err := i.find(ctx, q, ids, grace)
		if err != nil {
			return nil, err
		}

		violations = append(violations, found...)
		last = ids[len(ids)-1]
		done += len(ids)

		if progress != nil {
			progress(done, max(done, total)) // orders were placed meanwhile
		}
	}
}

// find runs the query with as many of the scope's parameters as it has.
func (i Invariant) find(ctx context.Context, q db.Querier, parameters ...any) ([]Violation, error) {
	n := len(parameters)
	for n > 1 && !strings.Contains(i.SQL, fmt.Sprintf("$%d", n)) {
		n--
	}

	rows, err := q.Query(ctx, i.SQL, parameters[:n]...)
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", i.Name, err)
	}

	violations, err := pgx.CollectRows(rows, pgx.RowToStructByName[Violation])
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", i.Name, err)
	}

	for n := range violations {
		violations[n].Invariant = i.Name
	}

	return violations, nil
}
