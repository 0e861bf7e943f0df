package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/db/progress"
	"orders/db/watermark"
)

// The sweeps' cost must not grow with history: over a million settled orders they
// read what is open, and id ranges of bounded length.
func TestSweepsDoNotReadAMillionSettledOrders(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, sql := range []string{
		`INSERT INTO orders (id, user_id, status, currency, total)
			SELECT lpad(to_hex(n), 32, '0')::uuid, 'u', 'confirmed', 'EUR', 1 FROM generate_series(1, 1000000) AS n`,
		`INSERT INTO stock_movements (order_id, sku, kind, quantity) SELECT id, 'x', 'deduct', 1 FROM orders`,
		`INSERT INTO points_entries (order_id, kind, user_id, points) SELECT id, 'earn', 'u', 10 FROM orders`,
		`INSERT INTO notifications (order_id, template, user_id, body) SELECT id, 'created', 'u', 'x' FROM orders`,
		`DELETE FROM points_entries WHERE order_id < lpad(to_hex(1000), 32, '0')::uuid`, // whose jobs live, among many
		`INSERT INTO river_job (max_attempts, args, kind, queue, unique_key, unique_states)
			SELECT 10, jsonb_build_object('order_id', id), 'points', 'points', job_key('points', id), B'11110001'
			FROM orders WHERE id < lpad(to_hex(200000), 32, '0')::uuid`,
		`VACUUM ANALYZE orders, stock_movements, points_entries, notifications`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	sweeps := func(ctx context.Context, tx pgx.Tx) error {
		if _, err := db.LockOverdue(ctx, tx, 15*time.Minute, time.Minute, 500); err != nil {
			return err
		}

		rules := deadletter.Rules{RedriveAfter: []time.Duration{time.Minute}, FailOrder: []string{"inventory"}}

		for _, action := range []deadletter.Action{deadletter.ToRedrive, deadletter.ToFail, deadletter.ToAttention} {
			if _, err := deadletter.LockDue(ctx, tx, action, rules, 500); err != nil {
				return err
			}
		}

		open, err := scanForOpenSteps(ctx, tx, watermark.Range{Before: time.Now().Add(-time.Minute), Limit: 2_000})
		if err != nil {
			return err
		}

		if len(open) > 0 {
			t.Errorf("%d open steps", len(open))
		}

		works := make([]progress.Work, 500)
		for i := range works {
			works[i] = progress.Work{Kind: "points", OrderID: uuid.UUID{14: byte(i >> 8), 15: byte(i)}}
		}

		return dbtest.Err(progress.Statuses(ctx, tx, works))
	}

	for _, plan := range dbtest.ExplainAnalyze(t, pool, sweeps) {
		if dbtest.ReadsMany(plan) {
			t.Error(plan)
		}
	}
}
