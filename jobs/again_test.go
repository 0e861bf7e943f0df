package jobs_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"orders/jobs"
)

// The new job of a job that has ended is the same job to River: it collides with a
// live one of the same work. River finds by reflection what makes a kind unique, so
// each kind is tried.
func TestAgainIsTheSameJobToRiver(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id := uuid.Must(uuid.NewV7())

	for _, args := range ofOrder(id) {
		first, err := queue.Insert(t.Context(), args, nil)
		if err != nil || first.UniqueSkippedAsDuplicate {
			t.Fatalf("%s: %v", args.Kind(), err)
		}

		var stored json.RawMessage
		if err := pool.QueryRow(t.Context(), `SELECT args || '{"newer": 1}' FROM river_job WHERE id = $1`, first.Job.ID).Scan(&stored); err != nil {
			t.Fatal(err)
		}

		again, err := queue.Insert(t.Context(), jobs.Again(args.Kind(), stored), nil)
		if err != nil || !again.UniqueSkippedAsDuplicate || again.Job.ID != first.Job.ID {
			t.Errorf("%s collides with nothing: %v", args.Kind(), err)
		}

		if _, err := pool.Exec(t.Context(), `DELETE FROM river_job`); err != nil {
			t.Fatal(err)
		}

		fresh, err := queue.Insert(t.Context(), jobs.Again(args.Kind(), stored), nil)
		if err != nil || fresh.UniqueSkippedAsDuplicate || fresh.Job.Queue != first.Job.Queue || fresh.Job.MaxAttempts != first.Job.MaxAttempts {
			t.Errorf("%s: %+v, %v", args.Kind(), fresh.Job, err)
		}

		var carried map[string]any
		if err := json.Unmarshal(fresh.Job.EncodedArgs, &carried); err != nil || carried["newer"] != 1.0 || carried["order_id"] != id.String() {
			t.Errorf("%s carries %s", args.Kind(), fresh.Job.EncodedArgs)
		}
	}
}

func TestOnlyWorkOfOrdersIsRedrivable(t *testing.T) {
	t.Parallel()

	for kind, want := range map[string]bool{
		"inventory": true, "points": true, "notification": true, "expire": true,
		"compensate": false, "audit": false, "stats": false, "prune": false, "alert": false, "unknown": false,
	} {
		if got := jobs.Redrivable(kind); got != want {
			t.Errorf("%s: %t", kind, got)
		}
	}
}
