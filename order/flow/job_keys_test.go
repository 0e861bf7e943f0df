package flow_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"orders/jobs"
	"orders/order"
)

// argsOf are those of all jobs that an order may have: a kind that jobs.go has, and
// no clock enqueues, must be among them.
func argsOf(t *testing.T, id uuid.UUID) (all []river.JobArgs) {
	t.Helper()

	all = []river.JobArgs{
		jobs.Inventory{OrderID: id},
		jobs.Points{OrderID: id},
		jobs.Expire{OrderID: id},
		jobs.Notification{OrderID: id, Template: string(order.NoticeCreated)},
	}

	for _, status := range order.Statuses() {
		if template := order.Template(status); template.Text() != "" {
			all = append(all, jobs.Notification{OrderID: id, Template: string(template)})
		}
	}

	contract, err := os.ReadFile("../../jobs/jobs.go")
	if err != nil {
		t.Fatal(err)
	}

	for _, kind := range regexp.MustCompile(`func \((?:\w+ )?(\w+)\) Kind\(\) string \{ return "(\w+)" \}`).FindAllStringSubmatch(string(contract), -1) {
		known := slices.ContainsFunc(all, func(args river.JobArgs) bool { return args.Kind() == kind[2] })
		if periodic := jobs.PolicyOf(kind[2]).Every > 0; !known && !periodic {
			t.Errorf("jobs.%s is tested nowhere here", kind[1])
		}
	}

	return all
}

// The database makes the same unique keys as River: it is by them that it finds the
// jobs of an order, and only while they live.
func TestLiveJobsOfAnOrderAreFoundByTheirKeys(t *testing.T) {
	t.Parallel()

	b := setup(t, nil)
	id, other := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	all := argsOf(t, id)

	// found counts the order's live jobs, of all or of one.
	found := func(jobID int64) int {
		return b.count(`SELECT count(*) FROM live_jobs WHERE unique_key = ANY(job_keys($1)) AND $2::bigint IN (0, id)`, id, jobID)
	}

	both := slices.Concat(all, argsOf(t, other))
	ids := make([]int64, 0, len(both))

	for _, args := range both {
		inserted, err := b.queue.Insert(t.Context(), args, nil)
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			t.Fatalf("%#v: %v", args, err)
		}

		ids = append(ids, inserted.Job.ID)
	}

	if n := b.count(`SELECT cardinality(job_keys($1))`, id); n != len(all) || found(0) != n {
		t.Errorf("job_keys has %d keys of %d jobs, and finds %d", n, len(all), found(0))
	}

	for i, args := range all {
		b.exec(`UPDATE river_job SET state = 'available', finalized_at = NULL WHERE id = $1`, ids[i])

		for state, want := range map[string]int{
			"available": 1, "pending": 1, "retryable": 1, "running": 1, "scheduled": 1,
			"cancelled": 0, "completed": 0, "discarded": 0,
		} {
			b.exec(`UPDATE river_job SET state = $2::river_job_state, finalized_at = CASE $3::int WHEN 0 THEN now() END WHERE id = $1`, ids[i], state, want)

			if got := found(ids[i]); got != want {
				t.Errorf("%s job %#v is found %d times, want %d", state, args, got, want)
			}
		}

		b.exec(`UPDATE river_job SET state = 'completed', finalized_at = now() WHERE id = $1`, ids[i])
	}

	if n := found(0); n != 0 {
		t.Errorf("%d jobs of the order live, want none", n)
	}

	if n := b.count(`SELECT count(*) FROM live_jobs`); n != len(all) {
		t.Errorf("%d jobs of the other order live, want %d", n, len(all))
	}
}

// A job of before that was unique for longer than it lived is over all the same.
func TestALiveJobIsNotOver(t *testing.T) {
	t.Parallel()

	b := setup(t, map[string]int64{"tea": 1})
	id := b.order(line("tea", 1))

	b.exec(`UPDATE river_job SET unique_states = B'11110101'`) // River's default: completed, too

	for state, want := range map[string]int{"running": 3, "completed": 0} {
		b.exec(fmt.Sprintf(`UPDATE river_job SET state = '%s', finalized_at = CASE %d WHEN 0 THEN now() END`, state, want))

		if n := b.count(`SELECT count(*) FROM live_jobs WHERE unique_key = ANY(job_keys($1))`, id); n != want {
			t.Errorf("%d %s jobs live, want %d", n, state, want)
		}
	}
}
