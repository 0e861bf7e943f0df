package workers_test

import "testing"

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

// River's cleaner deletes them, when they are older than the setting says.
func TestCompletedJobsAreDeletedInTime(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`
		INSERT INTO river_job (kind, queue, args, max_attempts, state, finalized_at)
		SELECT 'points', 'points', '{}', 10, s.state::river_job_state, now() - s.age
		FROM (VALUES ('completed', interval '6 minutes'), ('completed', interval '4 minutes'), ('discarded', interval '6 minutes')) AS s (state, age),
			generate_series(1, 100) AS n`)
	b.start() // the leader cleans at its start

	b.eventually(0, `SELECT count(*) FROM river_job WHERE state = 'completed' AND finalized_at < now() - interval '5 minutes'`)

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 200 {
		t.Errorf("%d jobs are left, want the 100 that ended just now and the 100 that are dead", n)
	}
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

// After a failover to a server that lags behind, a job runs there whose effects are gone.
// What the process remembers of it must not complete it: it must run again. Here, a
// trigger undoes what the step's transaction has done to its jobs.
func TestAStepsJobIsNotCompletedAfterItsTransaction(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`
		CREATE TABLE undone (id bigint PRIMARY KEY);
		CREATE FUNCTION still_running() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO undone VALUES (NEW.id) ON CONFLICT DO NOTHING;
			RETURN CASE WHEN FOUND THEN NULL ELSE NEW END; -- only once
		END $$;
		CREATE TRIGGER still_running BEFORE UPDATE ON river_job
		FOR EACH ROW WHEN (NEW.state = 'completed' AND NEW.kind LIKE 'points%')
		EXECUTE FUNCTION still_running()`)
	b.order(1)
	b.together(3)
	b.start()
	b.eventually(2, `SELECT count(*) FROM undone`)

	// River writes the outcomes of attempts together: once that of a later job is there, it has passed over those.
	b.exec(`INSERT INTO river_job (kind, queue, args, max_attempts) VALUES ('expire', 'lifecycle', '{"order_id": "00000000-0000-7000-8000-000000000000"}', 1)`)
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'expire' AND finalized_at IS NOT NULL`)

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind LIKE 'points%' AND state = 'running'`); n != 2 {
		t.Errorf("%d jobs of 2 still run", n)
	}
}
