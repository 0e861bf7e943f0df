package deadletter_test

import (
	"testing"

	"github.com/google/uuid"

	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/order"
)

// The letters of a cause are counted by order, by customer and by hour.
func TestImpactOfACause(t *testing.T) {
	t.Parallel()

	pool, cause := dbtest.Pool(t), deadletter.Cause{Kind: "points", Signature: "points: boom"}
	ids := []uuid.UUID{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())}

	change(t, pool, `INSERT INTO orders (id, user_id, status, currency, total)
		SELECT id, 'u-' || CASE WHEN n < 3 THEN 1 ELSE 2 END, 'confirmed', 'EUR', 1 FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, n)`, ids)
	change(t, pool, `INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, dead_at)
		SELECT n, 'points', 'points', id, '{}', '[]', 'boom', 1, 'unknown', 'points: boom', now() - n * interval '65 minutes'
		FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, n)`, ids)
	change(t, pool, `INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, dead_at, resolved_at, resolution)
		VALUES (9, 'points', 'points', $1, '{}', '[]', 'boom', 1, 'unknown', 'points: boom', now() - interval '2 days', now(), 'dismissed')`, ids[0])

	if got, err := deadletter.Impacts(t.Context(), pool); err != nil || len(got) != 1 || got[cause] != (deadletter.Impact{Orders: 3, Customers: 2}) {
		t.Errorf("impacts: %v, %v", got, err)
	}

	var want deadletter.Trend
	want[22], want[21], want[20] = 1, 1, 1

	if got, err := deadletter.Trends(t.Context(), pool); err != nil || len(got) != 1 || got[cause] != want {
		t.Errorf("trends: %v, %v", got, err)
	}

	customers, err := deadletter.Customers(t.Context(), pool, cause, 10)
	if err != nil || len(customers) != 2 || customers[0].UserID != "u-1" || customers[0].Orders != 2 {
		t.Errorf("customers: %v, %v", customers, err)
	}
}

// The progress of a redrive is that of its new jobs.
func TestProgressOfARedrive(t *testing.T) {
	t.Parallel()

	pool, id := dbtest.Pool(t), uuid.New()

	if _, err := deadletter.ReadOperation(t.Context(), pool, id); order.CodeOf(err) != order.NotFound {
		t.Errorf("no redrive: %v", err)
	}

	change(t, pool, `INSERT INTO river_job (id, args, kind, max_attempts) VALUES (101, '{}', 'x', 1)`)
	change(t, pool, `INSERT INTO river_job (id, args, kind, max_attempts, state, finalized_at) VALUES (102, '{}', 'x', 1, 'completed', now())`)
	change(t, pool, `INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature) VALUES (103, 'x', 'x', '{}', '[]', 'x', 1, 'unknown', 'x')`)
	change(t, pool, `INSERT INTO redrives (operation_id, job_id, outcome, new_job_id, actor, note) VALUES
		($1, 1, 'redriven', 101, 'alice', 'mended'), ($1, 2, 'redriven', 102, 'alice', 'mended'), ($1, 3, 'redriven', 103, 'alice', 'mended'),
		($1, 4, 'redriven', 104, 'alice', 'mended'), ($1, 5, 'already_applied', NULL, 'alice', 'mended')`, id)

	got, err := deadletter.ReadOperation(t.Context(), pool, id)
	if err != nil || got.Actor != "alice" || got.Note != "mended" || len(got.Counts) != 2 {
		t.Fatal(got, err)
	}

	if want := (deadletter.OperationCount{Outcome: "redriven", Letters: 4, Live: 1, Dead: 1, Done: 2}); got.Counts[0] != want {
		t.Errorf("%+v, want %+v", got.Counts[0], want)
	}
}
