package workers_test

import (
	"testing"

	"orders/jobs"
)

const unfinished = `SELECT count(*) FROM river_job WHERE kind IN ('inventory', 'points', 'notification') AND state <> 'completed'`

func TestCompletedJobsStayToBeLookedAt(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for range 20 {
		b.order(1)
	}

	b.start()
	b.eventually(0, unfinished)

	if n := count(b, `
		SELECT count(*)
		FROM river_job
		WHERE kind IN ('inventory', 'points', 'notification')
			AND finalized_at >= attempted_at AND attempt = 1 AND cardinality(attempted_by) = 1 AND errors IS NULL`); n != 60 {
		t.Errorf("%d jobs of 60 are as River leaves them", n)
	}
}

func TestCompletedJobsGoAtOnceIfNoneAreToBeKept(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for range 20 {
		b.order(1)
	}

	settings := jobs.Defaults()
	settings.KeepCompleted = 0

	b.startWith(settings)
	b.eventually(20, `SELECT count(*) FROM points_entries`)
	b.eventually(0, `SELECT count(*) FROM river_job WHERE queue <> 'maintenance'`)
	b.eventually(3, `SELECT count(*) FROM river_job WHERE queue = 'maintenance' AND state = 'completed'`)
}

// Discarding a running job does not stop it: its effect stays, and so does the job's state.
func TestOnlyRunningJobsAreCompleted(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := b.order(1)

	b.exec(`
		CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE kind = 'points';
			RETURN NEW;
		END $$;
		CREATE TRIGGER give_up BEFORE INSERT ON points_entries FOR EACH ROW EXECUTE FUNCTION give_up()`)
	b.start()
	b.eventually(1, `SELECT count(*) FROM points_entries WHERE order_id = $1`, id)
	b.eventually(1, unfinished)

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind = 'points' AND state = 'discarded'`); n != 1 {
		t.Error("a job that was discarded during its attempt is completed")
	}
}
