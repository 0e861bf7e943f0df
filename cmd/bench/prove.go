package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

// prove asks the database whether the run's work was really done. Figures of
// work that was not are worth nothing, so the bench ends there.
func (r *measured) prove(ctx context.Context, pool *pgxpool.Pool) error {
	if err := r.resolve(ctx, pool); err != nil {
		return err
	}

	if err := errors.Join(
		r.proveAccepted(ctx, pool),
		r.proveStatuses(ctx, pool),
		r.proveInvariants(ctx, pool),
	); err != nil {
		return fmt.Errorf("the work was not done: %w", err)
	}

	return nil
}

// proveAccepted compares what was answered 201 with the orders there are, each
// with its lines.
func (r *measured) proveAccepted(ctx context.Context, pool *pgxpool.Pool) error {
	var orders, missing, lines int

	err := pool.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM orders WHERE id >= uuid_at($2)),
			(SELECT count(*) FROM unnest($1::uuid[]) AS a (id) WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = a.id)),
			(SELECT count(*) FROM order_lines WHERE order_id >= uuid_at($2))`,
		r.loaded.accepted, r.loaded.start).Scan(&orders, &missing, &lines)
	if err != nil {
		return fmt.Errorf("count orders: %w", err)
	}

	accepted := len(r.loaded.accepted)
	if wantLines := accepted*r.work.lines + r.loaded.fates[scarce]; orders != accepted || missing > 0 || lines != wantLines {
		return fmt.Errorf("%d orders were accepted; there are %d with %d lines, not %d, and %d are missing",
			accepted, orders, lines, wantLines, missing)
	}

	return nil
}

// proveStatuses compares what became of the orders with what was asked for.
func (r *measured) proveStatuses(ctx context.Context, pool *pgxpool.Pool) error {
	if r.backlog {
		return nil // those of this run still wait
	}

	rows, err := pool.Query(ctx, `
		SELECT status, count(*)
		FROM orders
		WHERE id >= uuid_at($1)
		GROUP BY status`, r.loaded.start)
	if err != nil {
		return fmt.Errorf("count statuses: %w", err)
	}
	defer rows.Close()

	fates := r.loaded.fates
	due := map[string]int{
		"confirmed":        fates[confirmed] + fates[heldPaid],
		"cancelled":        fates[cancelled],
		"awaiting_payment": fates[heldUnpaid],
		"rejected":         fates[scarce],
	}

	for rows.Next() {
		var (
			status string
			n      int
		)

		if err := rows.Scan(&status, &n); err != nil {
			return fmt.Errorf("count statuses: %w", err)
		}

		if due[status] != n {
			return fmt.Errorf("%d orders are %s, should be %d", n, status, due[status])
		}

		delete(due, status)
	}

	for status, n := range due {
		if n > 0 {
			return fmt.Errorf("no order is %s, should be %d", status, n)
		}
	}

	if err := rows.Err(); err != nil {
		return fmt.Errorf("count statuses: %w", err)
	}

	return nil
}

// proofChunk is how many orders an invariant looks at in one statement.
const proofChunk = 10_000

// proveInvariants runs the audit's queries on what the run wrote: ledgers against
// stock, balances and lines, every effect once. Nobody gets time to settle.
func (r *measured) proveInvariants(ctx context.Context, pool *pgxpool.Pool) error {
	now := time.Now()

	for _, i := range db.Invariants() {
		var err error

		switch i.Scope {
		case db.ScopeSums:
			err = r.violated(ctx, pool, i, pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true})
		case db.ScopeWindow:
			err = r.violated(ctx, pool, i, r.loaded.start, now, []string{})
		case db.ScopeOrders:
			for ids := range slices.Chunk(r.loaded.accepted, proofChunk) {
				err = errors.Join(err, r.violated(ctx, pool, i, ids, time.Duration(0)))
			}
		}

		if err != nil {
			return err
		}
	}

	return nil
}

// violated fails with the first violation that the invariant's query finds. It
// gets those of the scope's parameters that it has.
func (r *measured) violated(ctx context.Context, pool *pgxpool.Pool, i db.Invariant, parameters ...any) error {
	n := len(parameters)
	for n > 1 && !strings.Contains(i.SQL, fmt.Sprintf("$%d", n)) {
		n--
	}

	rows, err := pool.Query(ctx, i.SQL, parameters[:n]...)
	if err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}

	violations, err := pgx.CollectRows(rows, pgx.RowToStructByName[db.Violation])
	if err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}

	if len(violations) > 0 {
		return fmt.Errorf("%s: %d violations, such as %s: %s", i.Name, len(violations), violations[0].Subject, violations[0].Detail)
	}

	return nil
}
