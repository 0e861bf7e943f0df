package db

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
)

// auditFiles are one SELECT each, a row for each violation.
//
//go:embed audit/*.sql
var auditFiles embed.FS

// An Invariant is what must hold of the data at every moment, and the query that
// finds where it does not. What it says of itself is the comment at the head of
// its file.
type Invariant struct {
	Name     string // of the file, without .sql
	Sentence string
	Scope    Scope
	Columns  []Column
	SQL      string
}

// Scope is how much an invariant's query looks at, which its parameters say.
type Scope string

// The scopes.
const (
	ScopeOrders Scope = "orders" // $1 the orders, $2 (if it is there) how long an order may take to settle
	ScopeWindow Scope = "window" // what was written after $1 up to $2, and the subjects $3
	ScopeSums   Scope = "sums"   // everything; $1 the moment up to which it has been summed up
)

// A Violation is where an invariant does not hold.
type Violation struct {
	Invariant string `json:"invariant" db:"-"`
	Subject   string `json:"subject"`
	Detail    string `json:"detail"`
}

// auditLimit bounds the orders that one statement looks at.
const auditLimit = 10_000

var (
	always = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	never  = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
)

// Invariants lists the invariants by name.
func Invariants() []Invariant { return slices.Clone(invariants()) }

var invariants = sync.OnceValue(func() []Invariant {
	files := readQueries(auditFiles)
	all := make([]Invariant, 0, len(files))

	for _, q := range files {
		all = append(all, Invariant{
			Name: q.name, Sentence: q.fields["sentence"], Scope: Scope(q.fields["scope"]), Columns: q.columns, SQL: q.sql,
		})
	}

	return all
})

// Prove looks for violations in all there is. Each statement reads one snapshot,
// so a running system makes no difference; orders younger than grace are not asked
// whether they have settled. Where the orders are gone through one stretch after
// the other, it tells progress how many of how many are done.
func (i Invariant) Prove(ctx context.Context, q Querier, grace time.Duration, progress func(done, total int)) ([]Violation, error) {
	switch i.Scope {
	case ScopeOrders:
		return i.proveOrders(ctx, q, grace, progress)
	case ScopeWindow:
		return i.find(ctx, q, always, never, []string{})
	case ScopeSums:
		return i.find(ctx, q, always)
	}

	return nil, fmt.Errorf("audit %s: no scope %q", i.Name, i.Scope)
}

func (i Invariant) proveOrders(ctx context.Context, q Querier, grace time.Duration, progress func(done, total int)) ([]Violation, error) {
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
			LIMIT $2`, last, auditLimit)
		if err != nil {
			return nil, fmt.Errorf("walk along orders: %w", err)
		}

		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return nil, fmt.Errorf("walk along orders: %w", err)
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
			progress(done, max(done, total)) // new ones have come in
		}
	}
}

// find runs the query. Of the scope's parameters it gives it those that it has.
func (i Invariant) find(ctx context.Context, q Querier, parameters ...any) ([]Violation, error) {
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

// Prove looks for violations of all invariants in all there is.
func Prove(ctx context.Context, q Querier, grace time.Duration) ([]Violation, error) {
	var violations []Violation

	for _, i := range invariants() {
		found, err := i.Prove(ctx, q, grace, nil)
		if err != nil {
			return nil, err
		}

		violations = append(violations, found...)
	}

	return violations, nil
}
