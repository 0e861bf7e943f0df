package lookup_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/dbtest"
	"orders/db/lookup"
)

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// An order is found by each of its names, whichever client gave it.
func TestSearch(t *testing.T) {
	t.Parallel()

	pool, id, other := dbtest.Pool(t), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())

	exec(t, pool, `INSERT INTO products (sku, name, price, currency) VALUES ('tea', 'Tea', 1, 'EUR')`)
	exec(t, pool, `INSERT INTO orders (id, user_id, status, currency, total, reference, client) VALUES ($1, 'u-1', 'confirmed', 'EUR', 1, 'web-1', 'alice')`, id)
	exec(t, pool, `INSERT INTO orders (id, user_id, status, currency, total, reference) VALUES ($1, 'u-1', 'confirmed', 'EUR', 1, 'both')`, other)
	exec(t, pool, `INSERT INTO idempotency_keys (scope, key, request_hash, order_id) VALUES ('orders', 'k', '', $1), ('alice', 'both', '', $2)`, id, id)
	exec(t, pool, `INSERT INTO payments (order_id, reference) VALUES ($1, 'pay-1')`, id)
	exec(t, pool, `INSERT INTO river_job (id, args, kind, max_attempts) VALUES
		(7001, jsonb_build_object('order_id', $1::uuid), 'points', 1),
		(7002, jsonb_build_object('order_ids', jsonb_build_array($1::uuid, $2::uuid)), 'points_batch', 1)`, id, other)
	exec(t, pool, `INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature)
		VALUES (7003, 'points', 'points', $1, '{}', '[]', 'x', 1, 'unknown', 'x'), (7004, 'x', 'x', NULL, '{}', '[]', 'x', 1, 'unknown', 'x')`, id)

	for text, want := range map[string][]lookup.Match{
		id.String(): {{lookup.ByOrder, id}},
		"web-1":     {{lookup.ByReference, id}},
		"k":         {{lookup.ByKey, id}},
		"pay-1":     {{lookup.ByPayment, id}},
		"7001":      {{lookup.ByJob, id}},
		"7003":      {{lookup.ByJob, id}},
		"both":      {{lookup.ByKey, id}, {lookup.ByReference, other}},
		"u-1":       nil, "tea": nil, "nothing": nil, "99": nil, "-1": nil, uuid.NewString(): nil,
	} {
		found, err := lookup.Search(t.Context(), pool, text)
		if err != nil || !slices.Equal(found.Orders, want) {
			t.Errorf("%s: %v, %v", text, found, err)
		}

		if found.Customer != (text == "u-1") || found.Product != (text == "tea") || found.Letter != nil {
			t.Errorf("%s: %+v", text, found)
		}
	}

	if found, err := lookup.Search(t.Context(), pool, "7002"); err != nil || len(found.Orders) != 2 {
		t.Errorf("a shared job: %v, %v", found, err)
	}

	if found, err := lookup.Search(t.Context(), pool, "7004"); err != nil || found.Letter == nil || *found.Letter != 7004 {
		t.Errorf("a letter of no order: %v, %v", found, err)
	}
}

// The live jobs of an order have the errors of their attempts.
func TestJobs(t *testing.T) {
	t.Parallel()

	pool, id := dbtest.Pool(t), uuid.Must(uuid.NewV7())

	exec(t, pool, `INSERT INTO orders (id, user_id, status, currency, total) VALUES ($1, 'u-1', 'pending', 'EUR', 1)`, id)
	exec(t, pool, `INSERT INTO river_job (id, args, kind, max_attempts, attempt, state, errors, unique_key, unique_states) VALUES (7001,
		jsonb_build_object('order_id', $1::uuid), 'points', 10, 1, 'retryable',
		ARRAY['{"at":"2026-01-05T09:30:00Z","attempt":1,"error":"boom","trace":""}'::jsonb], job_key('points', $1, ''), B'11110001')`, id)

	found, err := lookup.Jobs(t.Context(), pool, id)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}

	if j := found[0]; j.ID != 7001 || j.Kind != "points" || j.State != "retryable" || j.Attempt != 1 || len(j.Errors) != 1 || j.Errors[0].Error != "boom" {
		t.Errorf("%+v", j)
	}
}
