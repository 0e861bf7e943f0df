// Package check asks the database whether the work of a run was really done.
package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/db"
	"orders/db/audit"
	"orders/order"
)

// Orders fails unless each accepted order is there with its lines, all are in the
// statuses of the result, and the invariants of the audit hold. No process of the
// service may be running.
func Orders(ctx context.Context, pool *pgxpool.Pool, w load.Workload, r *load.Result) error {
	// Statistics from before the run would lead to plans for empty tables.
	if err := errors.Join(database.Exec(ctx, pool, `ANALYZE`), resolveUnknown(ctx, pool, r)); err != nil {
		return err
	}

	return errors.Join(accepted(ctx, pool, w, r), invariants(ctx, pool))
}

// resolveUnknown finds the orders of requests that timed out. A customer would
// send such a request again under the same key.
func resolveUnknown(ctx context.Context, pool *pgxpool.Pool, r *load.Result) error {
	rows, _ := pool.Query(ctx, `
		SELECT key, order_id
		FROM idempotency_keys
		WHERE key = ANY($1)`, slices.Collect(maps.Keys(r.Unknown))) // CollectRows returns its error

	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Key string
		ID  uuid.UUID
	}])
	if err != nil {
		return fmt.Errorf("resolve unknown orders: %w", err)
	}

	for _, o := range found {
		r.Accepted = append(r.Accepted, o.ID)
		r.Statuses[r.Unknown[o.Key]]++
	}

	return nil
}

func accepted(ctx context.Context, pool *pgxpool.Pool, w load.Workload, r *load.Result) error {
	var (
		missing, lines int
		statuses       map[order.Status]int
	)

	first, err := database.FirstOrder(ctx, pool, r.Start)
	if err != nil {
		return err
	}

	err = pool.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM unnest($1::uuid[]) AS a (id) WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = a.id)),
			(SELECT count(*) FROM order_lines WHERE order_id >= $2),
			(SELECT coalesce(jsonb_object_agg(status, n), '{}')
				FROM (SELECT status, count(*) AS n FROM orders WHERE id >= $2 GROUP BY status) AS counts)`,
		r.Accepted, first).Scan(&missing, &lines, &statuses)
	if err != nil {
		return fmt.Errorf("count orders: %w", err)
	}

	wantLines := len(r.Accepted)*w.Lines + r.Statuses[order.Rejected] // the line that is out of stock
	if missing > 0 || lines != wantLines || !maps.Equal(statuses, r.Statuses) {
		return fmt.Errorf("of %d accepted orders, %d are missing; there are %d lines, want %d; orders by status: %v, want %v",
			len(r.Accepted), missing, lines, wantLines, statuses, r.Statuses)
	}

	return nil
}

// invariants audits what is new in the database: ledgers against stock, balances
// and lines, and each effect once. Orders get no time to settle.
func invariants(ctx context.Context, pool *pgxpool.Pool) error {
	for done := false; !done; {
		err := db.InTx(ctx, pool, func(tx pgx.Tx) error {
			step, err := audit.Next(ctx, tx, audit.Options{Again: true})
			done = step.Done

			return err
		})
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}

	findings, err := audit.Findings(ctx, pool, nil, 1) // open findings come first
	if err != nil {
		return err
	}

	if len(findings) > 0 && findings[0].ResolvedAt == nil {
		return fmt.Errorf("%s: %s: %s", findings[0].Invariant, findings[0].Subject, findings[0].Detail)
	}

	return nil
}
