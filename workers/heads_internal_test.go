package workers

import (
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db/dbtest"
	"orders/db/jobqueue"
	"orders/workers/fetch"
)

// After a slow fetch, the next one takes what the queue has since, as River would. A complete one takes the rest.
func TestAFetchAfterASlowOneIsBounded(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	executor, heads := riverpgxv5.New(pool).GetExecutor(), fetch.NewHeads(pool)

	fetched := func() (ids []int64) {
		t.Helper()

		result, err := heads.Fetch(t.Context(), executor, &riverdriver.JobGetAvailableParams{
			ClientID: "w", MaxAttemptedBy: 3, MaxToLock: 10, Queue: "points",
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}

		for _, job := range result.Jobs {
			if job.State != "running" || job.Attempt != 1 || job.AttemptedBy[0] != "w" || string(job.EncodedArgs) != `{"order_id": "x"}` {
				t.Errorf("%+v", job)
			}

			ids = append(ids, job.ID)
		}

		return ids
	}

	if ids := fetched(); len(ids) != 0 {
		t.Errorf("fetched %v of nothing", ids)
	}

	heads.Of("points", func(h *jobqueue.Head) { h.Took(time.Time{}, time.Hour) })

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO river_job (id, queue, kind, args, max_attempts, scheduled_at)
		VALUES
			(1, 'points', 'points', '{"order_id": "x"}', 9, now() - interval '1 hour'),
			(2, 'points', 'points', '{"order_id": "x"}', 9, now())`); err != nil {
		t.Fatal(err)
	}

	if ids := fetched(); len(ids) != 1 || ids[0] != 2 {
		t.Errorf("a bounded fetch took %v", ids)
	}

	heads.Of("points", func(h *jobqueue.Head) { *h = jobqueue.Head{} })

	if ids := fetched(); len(ids) != 1 || ids[0] != 1 {
		t.Errorf("a complete fetch took %v", ids)
	}
}
