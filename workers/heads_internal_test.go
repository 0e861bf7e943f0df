package workers

import (
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db/dbtest"
	"orders/db/jobqueue"
)

// After a slow fetch, the next one takes what the queue has since, as River would. A complete one takes the rest.
func TestAFetchAfterASlowOneIsBounded(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	executor, heads := riverpgxv5.New(pool).GetExecutor(), newHeads(pool)

	fetch := func() (ids []int64) {
		t.Helper()

		fetched, err := heads.fetch(t.Context(), executor, &riverdriver.JobGetAvailableParams{
			ClientID: "w", MaxAttemptedBy: 3, MaxToLock: 10, Queue: "points",
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}

		for _, job := range fetched.Jobs {
			if job.State != "running" || job.Attempt != 1 || job.AttemptedBy[0] != "w" || string(job.EncodedArgs) != `{"order_id": "x"}` {
				t.Errorf("%+v", job)
			}

			ids = append(ids, job.ID)
		}

		return ids
	}

	if ids := fetch(); len(ids) != 0 {
		t.Errorf("fetched %v of nothing", ids)
	}

	heads.of("points", func(h *jobqueue.Head) { h.Took(time.Time{}, time.Hour) })

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO river_job (id, queue, kind, args, max_attempts, scheduled_at)
		VALUES
			(1, 'points', 'points', '{"order_id": "x"}', 9, now() - interval '1 hour'),
			(2, 'points', 'points', '{"order_id": "x"}', 9, now())`); err != nil {
		t.Fatal(err)
	}

	if ids := fetch(); len(ids) != 1 || ids[0] != 2 {
		t.Errorf("a bounded fetch took %v", ids)
	}

	heads.of("points", func(h *jobqueue.Head) { *h = jobqueue.Head{} })

	if ids := fetch(); len(ids) != 1 || ids[0] != 1 {
		t.Errorf("a complete fetch took %v", ids)
	}
}
