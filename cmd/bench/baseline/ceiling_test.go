package baseline_test

import (
	"context"
	"errors"
	"testing"

	"orders/cmd/bench/baseline"
	"orders/db/dbtest"
)

func TestCeilingCompletesEachJob(t *testing.T) {
	t.Parallel()

	const orders = 4000

	pool := dbtest.Pool(t)

	rate, err := baseline.Ceiling(t.Context(), pool, orders)
	if err != nil {
		t.Fatal(err)
	}

	if rate <= 0 {
		t.Errorf("rate is %f", rate)
	}

	for _, queue := range []string{"inventory", "points", "notification"} {
		if n := countRows(t, pool, `SELECT count(*) FROM river_job WHERE state = 'completed' AND kind = 'noop' AND queue = '`+queue+`'`); n != orders {
			t.Errorf("%d jobs of queue %s are completed, want %d", n, queue, orders)
		}
	}

	if n := countRows(t, pool, `SELECT count(*) FROM river_job`); n != 3*orders {
		t.Errorf("there are %d jobs", n)
	}
}

func TestCeilingEndsWithItsContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	pool := dbtest.Pool(t)

	cancel()

	if _, err := baseline.Ceiling(ctx, pool, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
