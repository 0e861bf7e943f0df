package db_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
)

// tooMany is a node that gave out, or looked at and left out, 10,000 rows or more.
var tooMany = regexp.MustCompile(`(actual rows=|Removed by Filter: )\d{5,}`)

// The sweeps' cost must not grow with history: over a million settled orders they
// read what is open, and stretches of bounded length.
func TestSweepsDoNotReadAMillionSettledOrders(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, sql := range []string{
		`INSERT INTO orders (id, user_id, status, currency, total)
			SELECT lpad(to_hex(n), 32, '0')::uuid, 'u', 'confirmed', 'EUR', 1 FROM generate_series(1, 1000000) AS n`,
		`INSERT INTO points_entries (order_id, kind, user_id, points) SELECT id, 'earn', 'u', 10 FROM orders`,
		`INSERT INTO notifications (order_id, template, user_id, body) SELECT id, 'created', 'u', 'x' FROM orders`,
		`DELETE FROM points_entries WHERE order_id < lpad(to_hex(1000), 32, '0')::uuid`, // whose jobs live, among many
		`INSERT INTO river_job (max_attempts, args, kind, queue, unique_key, unique_states)
			SELECT 10, jsonb_build_object('order_id', id), 'points', 'points', job_key('points', id), B'11110001'
			FROM orders WHERE id < lpad(to_hex(200000), 32, '0')::uuid`,
		`VACUUM ANALYZE orders, points_entries, notifications`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	sweeps := func(ctx context.Context, tx pgx.Tx) error {
		if _, err := db.LockOverdue(ctx, tx, 15*time.Minute, time.Minute, 500); err != nil {
			return err
		}

		for _, due := range []db.Due{db.DueForRedrive, db.DueToFail, db.DueForAttention} {
			if _, err := db.LockDueLetters(ctx, tx, due, []time.Duration{time.Minute}, 500); err != nil {
				return err
			}
		}

		stretch, err := db.Walk{Name: "test", Grace: time.Minute, Most: 2_000}.Next(ctx, tx)
		if err != nil {
			return err
		}

		orphans, err := db.Orphans(ctx, tx, stretch)
		if err != nil {
			return err
		}

		if len(orphans) > 0 {
			t.Errorf("%d orphans", len(orphans))
		}

		works := make([]db.Work, 500)
		for i := range works {
			works[i] = db.Work{Kind: "points", OrderID: uuid.UUID{14: byte(i >> 8), 15: byte(i)}}
		}

		return second(db.Standings(ctx, tx, works))
	}

	err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		e := &explainer{tx: tx, options: "(ANALYZE, TIMING OFF) "}
		if err := sweeps(t.Context(), explainingTx{tx, e}); err != nil {
			return err
		}

		for _, plan := range e.plans {
			if strings.Contains(plan, "EXPLAIN: ") || tooMany.MatchString(plan) {
				t.Error(plan)
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
