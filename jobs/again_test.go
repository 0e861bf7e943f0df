package jobs_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/jobs"
)

// A job that is done again is the same job to River: it collides with one that is
// waiting. That it does for each kind is seen here, as River finds by reflection
// what makes a kind unique.
func TestDoAgainIsTheSameJobToRiver(t *testing.T) {
	t.Parallel()

	pool, queue := newQueue(t)
	id := uuid.Must(uuid.NewV7())

	for _, args := range []river.JobArgs{
		jobs.Inventory{OrderID: id},
		jobs.Points{OrderID: id},
		jobs.Expire{OrderID: id},
		jobs.Notification{OrderID: id, Template: "created"},
		jobs.Notification{OrderID: id, Template: "cancelled"},
	} {
		first, err := queue.Insert(t.Context(), args, nil)
		if err != nil || first.UniqueSkippedAsDuplicate {
			t.Fatalf("%T: %v", args, err)
		}

		var stored json.RawMessage
		if err := pool.QueryRow(t.Context(), `SELECT args || '{"newer": 1}' FROM river_job WHERE id = $1`, first.Job.ID).Scan(&stored); err != nil {
			t.Fatal(err)
		}

		again, err := queue.Insert(t.Context(), jobs.DoAgain(args.Kind(), stored), nil)
		if err != nil || !again.UniqueSkippedAsDuplicate || again.Job.ID != first.Job.ID {
			t.Errorf("%T collides with nothing: %v", args, err)
		}

		if _, err := pool.Exec(t.Context(), `DELETE FROM river_job`); err != nil {
			t.Fatal(err)
		}

		fresh, err := queue.Insert(t.Context(), jobs.DoAgain(args.Kind(), stored), nil)
		if err != nil || fresh.UniqueSkippedAsDuplicate || fresh.Job.Queue != first.Job.Queue || fresh.Job.MaxAttempts != first.Job.MaxAttempts {
			t.Errorf("%T: %+v, %v", args, fresh.Job, err)
		}

		var carried map[string]any
		if err := json.Unmarshal(fresh.Job.EncodedArgs, &carried); err != nil || carried["newer"] != 1.0 || carried["order_id"] != id.String() {
			t.Errorf("%T carries %s", args, fresh.Job.EncodedArgs)
		}
	}
}

func TestOnlyWorkOfOrdersIsRedrivable(t *testing.T) {
	t.Parallel()

	for kind, want := range map[string]bool{
		"inventory": true, "points": true, "notification": true, "expire": true,
		"compensate": false, "audit": false, "prune": false, "unknown": false,
	} {
		if got := jobs.Redrivable(kind); got != want {
			t.Errorf("%s: %t", kind, got)
		}
	}
}
