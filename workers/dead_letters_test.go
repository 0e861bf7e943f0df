package workers_test

import (
	"testing"

	"github.com/google/uuid"
)

// Each way in which River gives up a job by itself ends in dead_letters. The ways of
// operators are tested in package db/deadletter.

func TestAWorkerThatGivesUpLeavesADeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.exec(`ALTER TABLE points_entries RENAME TO points_entries_gone`)

	id := b.order(1)
	b.exec(`UPDATE river_job SET max_attempts = 2 WHERE kind = 'points'`)
	b.start()

	b.eventually(1, `
		SELECT count(*) FROM dead_letters
		WHERE kind = 'points' AND order_id = $1 AND attempts = 2 AND jsonb_array_length(errors) = 2 AND reason = 'unknown' AND code = 'internal'
			AND signature LIKE 'points: %relation "points_entries" does not exist (SQLSTATE 42P01)'`, id)
}

func TestAWorkerThatCancelsLeavesADeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.start()

	b.enqueueSteps(uuid.Must(uuid.NewV7()))

	b.eventually(3, `
		SELECT count(*) FROM dead_letters
		WHERE reason = 'permanent' AND code = 'not-found' AND signature = kind || ': not-found: There is no order ?.'`)
}

// The rescuer discards by SQL: no worker is notified of it.
func TestTheRescuerLeavesADeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)

	id := b.order(1)
	b.exec(`
		UPDATE river_job
		SET state = 'running', attempt = max_attempts, attempted_at = now() - interval '1 hour', attempted_by = '{gone}'
		WHERE kind = 'points'`)
	b.start()

	b.eventually(1, `SELECT count(*) FROM dead_letters WHERE order_id = $1 AND kind = 'points' AND reason = 'transient' AND error LIKE 'Stuck job%'`, id)
}

// So a shared job that is given up leaves a letter for each of its orders, whoever gives it up.
func TestASharedJobThatIsGivenUpLeavesADeadLetterOfEachOrder(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ change, letter string }{
		"by the rescuer": {
			`attempt = max_attempts, attempted_at = now() - interval '1 hour'`,
			`reason = 'transient' AND error LIKE 'Stuck job%'`,
		},
		"by the rescuer, of an unknown kind": {
			`kind = 'later_batch', attempt = 1, attempted_at = now() - interval '1 hour'`,
			`reason = 'transient' AND kind = 'later'`,
		},
		"by the rescuer, cancelled": {
			`attempt = 1, attempted_at = now() - interval '1 hour', metadata = '{"cancel_attempted_at": "2026-01-01T00:00:00Z"}'`,
			`reason = 'cancelled'`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.exec(`INSERT INTO steps (name, due_in) VALUES ('later', '{pending,confirmed}')`) // a newer program's

			b.together(5)
			b.exec(`UPDATE river_job SET state = 'running', attempted_by = '{gone}', ` + test.change + ` WHERE kind = 'points_batch'`)
			b.start()

			b.eventually(5, `SELECT count(DISTINCT order_id) FROM dead_letters WHERE `+test.letter)

			if n := count(b, `SELECT count(*) FROM dead_letters`); n != 5 {
				t.Errorf("%d dead letters", n)
			}
		})
	}
}

// The scheduler discards a retry whose twin is there: its work is done, so nothing is lost.
func TestTheSchedulersTwinIsNoDeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := b.order(1)

	b.exec(`
		INSERT INTO river_job (state, args, kind, queue, max_attempts, scheduled_at, unique_key, unique_states)
		SELECT 'retryable', args, kind, queue, max_attempts, now(), unique_key, b'00000001'
		FROM river_job
		WHERE kind = 'points' AND args @> jsonb_build_object('order_id', $1::uuid)`, id)
	b.exec(`UPDATE river_job SET state = 'scheduled', scheduled_at = now() + interval '1 h' WHERE kind = 'points' AND state = 'available'`)
	b.start()

	b.eventually(1, `SELECT count(*) FROM river_job WHERE state = 'discarded' AND metadata ? 'unique_key_conflict'`)

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestAJobThatKillsItsProcessesIsQuarantined(t *testing.T) {
	t.Parallel()

	b := setup(t)

	poison, once := b.order(1), b.order(1)
	b.exec(`UPDATE river_job SET metadata = '{"river:rescue_count": 2, "orders:rescued": 1}' WHERE kind = 'points' AND args @> jsonb_build_object('order_id', $1::uuid)`, poison)
	b.exec(`UPDATE river_job SET metadata = '{"orders:rescued": 2}' WHERE args @> jsonb_build_object('order_id', $1::uuid)`, once)
	b.exec(`UPDATE river_job SET metadata = '{"orders:rescued": "x"}' WHERE kind = 'inventory' AND args @> jsonb_build_object('order_id', $1::uuid)`, poison)
	b.start()

	b.eventually(1, `
		SELECT count(*) FROM dead_letters
		WHERE order_id = $1 AND kind = 'points' AND reason = 'poison' AND code = 'quarantined' AND error LIKE '%3 processes ended while it ran' AND attempts = 1`, poison)
	b.eventually(2, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	b.eventually(1, `SELECT count(*) FROM points_entries`)

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func TestAnOperatorsCancelOfARunningJobLeavesADeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.order(1)

	lock, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(t.Context())

	if _, err := lock.Exec(t.Context(), `LOCK TABLE points_entries IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}

	b.start()
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'points' AND state = 'running'`)

	var jobID int64
	if err := b.pool.QueryRow(t.Context(), `SELECT id FROM river_job WHERE kind = 'points'`).Scan(&jobID); err != nil {
		t.Fatal(err)
	}

	if job, err := b.queue.JobCancel(t.Context(), jobID); err != nil || job == nil {
		t.Fatal(err)
	}

	b.eventually(1, `SELECT count(*) FROM dead_letters WHERE kind = 'points' AND reason = 'cancelled'`)
}

// Suspects run marked and one at a time. A suspect that ends loses its mark at once.
func TestSuspectsRunAlone(t *testing.T) {
	t.Parallel()

	const suspects = 15

	b := setup(t)

	for range suspects {
		b.order(1)
	}

	b.exec(`UPDATE river_job SET metadata = '{"orders:rescued": 2}'`)
	b.exec(`
		CREATE TABLE seen (alone int);
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO seen SELECT count(*) FROM river_job WHERE state = 'running' AND metadata ? 'orders:alone';
			RETURN NEW;
		END $$;
		CREATE TRIGGER look BEFORE INSERT ON points_entries FOR EACH ROW EXECUTE FUNCTION look()`)
	b.start()

	b.eventually(suspects, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	b.eventually(suspects, `SELECT count(*) FROM points_entries WHERE points > 0`)

	if n := count(b, `SELECT coalesce(max(alone), 0) FROM seen`); n != 1 {
		t.Errorf("%d suspects ran at once", n)
	}

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 0 {
		t.Errorf("%d innocent jobs are dead", n)
	}
}

// A shared job that is cancelled while it runs leaves its undone orders' letters.
func TestAnOperatorsCancelOfARunningSharedJobLeavesDeadLetters(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.together(5)

	release := hold(b, `LOCK TABLE points_entries IN ACCESS EXCLUSIVE MODE`)

	b.start()
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'points_batch' AND state = 'running'`)

	var jobID int64
	if err := b.pool.QueryRow(t.Context(), `SELECT id FROM river_job WHERE kind = 'points_batch'`).Scan(&jobID); err != nil {
		t.Fatal(err)
	}

	if job, err := b.queue.JobCancel(t.Context(), jobID); err != nil || job == nil {
		t.Fatal(err)
	}

	release() // the trigger reads the ledger

	// Its effects may be committed in the meantime, and then it may have completed. Else it is gone, and its orders have dead
	// jobs of their own. Both are possible, if the trigger has read the ledger just before that commit.
	b.eventually(5, `
		SELECT CASE WHEN NOT EXISTS (SELECT FROM river_job WHERE kind = 'points_batch' AND state <> 'completed') THEN (
			SELECT count(*)
			FROM (
				SELECT order_id FROM dead_letters WHERE kind = 'points' AND reason = 'cancelled'
				UNION
				SELECT order_id FROM points_entries
			) AS looked_after
		) ELSE 0 END`)
}
