package workers_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/progress"
	"orders/order"
	"orders/order/explain"
	"orders/order/flow"
	"orders/order/ordertest"
)

// together places n orders in one transaction, which share the jobs of their steps.
func (b *bundle) together(n int) []uuid.UUID {
	b.t.Helper()

	placements, ids := make([]flow.Placement, n), make([]uuid.UUID, n)
	for i := range placements {
		ids[i] = uuid.Must(uuid.NewV7())
		placements[i] = flow.Placement{
			OrderID: ids[i],
			Draft:   order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: "tea", Quantity: 1}}},
		}
	}

	err := db.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := flow.Place(b.queue)(b.t.Context(), tx, placements)

		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}

	return ids
}

// unsettled counts steps that are to be done, and jobs that have not completed.
const unsettled = `
	SELECT (SELECT count(*) FROM undone_steps) + (SELECT count(*) FROM river_job WHERE state <> 'completed' AND queue <> 'maintenance')`

// sound fails the test if the data breaks an invariant.
func (b *bundle) sound() {
	b.t.Helper()

	violations, err := ordertest.CheckAll(b.t.Context(), b.pool, 0)
	if err != nil || len(violations) > 0 {
		b.t.Errorf("the audit finds %v, %v", violations, err)
	}
}

// failFor makes the points of an order fail with an SQLSTATE until it is dropped.
func (b *bundle) failFor(id uuid.UUID, sqlState string) {
	b.t.Helper()
	b.exec(`
		CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF NEW.order_id = '` + id.String() + `' THEN
				RAISE EXCEPTION 'broken' USING ERRCODE = '` + sqlState + `';
			END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER fail BEFORE INSERT ON points_entries FOR EACH ROW EXECUTE FUNCTION fail()`)
}

func TestWorkersSettleOrdersThatShareJobs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.together(300)
	b.start()

	b.eventually(0, unsettled)
	b.sound()

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:                               300,
		`SELECT count(*) FROM river_job WHERE queue <> 'maintenance'`:                          6,
		`SELECT count(*) FROM river_job WHERE queue <> 'maintenance' AND attempt = 1`:          6,
		`SELECT count(*) FROM river_job WHERE errors IS NOT NULL`:                              0,
		`SELECT sum(orders_of_job(kind, metadata, args - 'order_ids')) FROM river_job`:         900,
		`SELECT count(*) FROM points_entries`:                                                  300,
		`SELECT count(*) FROM notifications`:                                                   300,
		`SELECT 1000 - available FROM products`:                                                300,
		`SELECT count(DISTINCT batch_id) FROM orders`:                                          2,
		`SELECT count(*) FROM river_job WHERE kind LIKE '%batch' AND finalized_at IS NOT NULL`: 6,
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}

// Effects and completion are of one transaction, so none of them is there without the other.
func TestAStepCompletesItsJobsInItsTransaction(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.order(1)
	b.together(3)
	b.start()
	b.eventually(0, unsettled)

	for ledger, want := range map[string]int{"stock_movements": 2, "points_entries": 2, "notifications": 2} {
		if n := count(b, `
			SELECT count(DISTINCT j.id)
			FROM river_job AS j
			JOIN `+ledger+` AS l ON l.xmin = j.xmin AND (j.args ->> 'order_id' = l.order_id::text OR j.args -> 'order_ids' ? l.order_id::text)`); n != want {
			t.Errorf("%d jobs were completed by the transaction of their rows of %s, want %d", n, ledger, want)
		}
	}
}

// A database of the time before the upgrade has jobs of single orders only, then it has both.
func TestJobsOfBothShapesAreWorked(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for range 10 {
		b.order(1)
		b.together(7)
	}

	b.start()
	b.eventually(0, unsettled)
	b.sound()

	if n := count(b, `SELECT count(*) FROM orders WHERE status = 'confirmed'`); n != 80 {
		t.Errorf("%d orders are confirmed", n)
	}
}

// One order makes the whole statement fail. The others are done by the same attempt, and the
// order gets a job of its own, which carries the attempt and its error.
func TestAnOrderThatSpoilsASharedJobGetsAJobOfItsOwn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ids := b.together(20)
	b.failFor(ids[7], "P0001")
	b.start()

	b.eventually(19, `SELECT count(*) FROM points_entries`)
	b.eventually(1, `
		SELECT count(*)
		FROM river_job
		WHERE kind = 'points_batch' AND state = 'completed' AND attempt = 1 AND errors IS NULL`)
	b.eventually(1, `
		SELECT count(*)
		FROM river_job
		WHERE kind = 'points'
			AND state IN ('available', 'retryable', 'running')
			AND args = jsonb_build_object('order_id', $1::uuid)
			AND unique_key = job_key('points', $1)
			AND attempt >= 1
			AND max_attempts = 10
			AND errors[1] ->> 'attempt' = '1'
			AND errors[1] ->> 'error' LIKE '%broken%'
			AND metadata -> 'orders:failures' -> '1' = '{"code": "internal", "class": "unknown"}'`, ids[7])

	if o := b.read(ids[7]); o.Steps[1].State != order.Retrying {
		t.Errorf("points: %+v", o.Steps[1])
	}

	b.exec(`DROP TRIGGER fail ON points_entries`)
	b.eventually(0, unsettled)
	b.sound()

	if n := count(b, `SELECT count(*) FROM points_entries`); n != 20 {
		t.Errorf("%d orders have their points", n)
	}
}

func (b *bundle) read(id uuid.UUID) order.Order {
	b.t.Helper()

	o, err := db.Order(b.t.Context(), b.pool, id)
	if err != nil {
		b.t.Fatal(err)
	}

	return o
}

// The attempts of the shared job count: the order's own job is dead after the last one.
func TestAnOrderThatSpoilsTheLastAttemptIsADeadLetter(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ids := b.together(5)
	b.failFor(ids[0], "P0001")
	b.exec(`UPDATE river_job SET max_attempts = 1 WHERE kind = 'points_batch'`)
	b.start()

	b.eventually(1, `
		SELECT count(*)
		FROM dead_letters
		WHERE order_id = $1 AND kind = 'points' AND reason = 'unknown' AND code = 'internal' AND attempts = 1 AND error LIKE '%broken%'`, ids[0])
	b.eventually(4, `SELECT count(*) FROM points_entries`)

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

// An error that no attempt can mend is the order's alone, too.
func TestAnOrderThatDoesNotExistIsADeadLetterOfItsOwn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ids := b.together(5)
	b.exec(`DELETE FROM orders WHERE id = $1`, ids[2])
	b.start()

	b.eventually(3, `
		SELECT count(*)
		FROM dead_letters
		WHERE order_id = $1 AND reason = 'permanent' AND code = 'not-found' AND signature = kind || ': not-found: There is no order ?.'`, ids[2])
	b.eventually(0, `SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled') AND queue <> 'maintenance'`)
	b.eventually(0, `SELECT count(*) FROM undone_steps`)

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 3 {
		t.Errorf("%d dead letters, want one a step", n)
	}
}

// A fault of the database is no order's: the shared job is retried as it is.
func TestAFaultOfTheDatabaseLeavesASharedJobWhole(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ids := b.together(5)
	b.failFor(ids[0], "53100") // disk full
	b.start()

	b.eventually(1, `
		SELECT count(*)
		FROM river_job
		WHERE kind = 'points_batch'
			AND state IN ('available', 'retryable')
			AND cardinality(errors) >= 1
			AND metadata -> 'orders:failures' -> '1' ->> 'code' = 'unavailable'`)

	if n := count(b, `SELECT count(*) FROM river_job WHERE kind = 'points'`); n != 0 {
		t.Errorf("%d orders have jobs of their own", n)
	}

	if o := b.read(ids[3]); o.Steps[1].State != order.Retrying || *o.Steps[1].Attempts < 1 || o.Steps[1].LastError != order.PublicError(order.Unavailable) {
		t.Errorf("reading does not show the attempts of the shared job: %+v", o.Steps[1])
	}

	b.exec(`DROP TRIGGER fail ON points_entries`)
	b.eventually(0, unsettled)
	b.sound()
}

// What operators read of an order shows the job that it shares.
func TestOperatorsSeeTheAttemptsOfASharedJob(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ids := b.together(3)
	b.exec(`
		UPDATE river_job
		SET attempt = 1,
			state = 'retryable',
			scheduled_at = now() + interval '1 hour',
			errors = ARRAY[jsonb_build_object('at', now(), 'attempt', 1, 'error', 'unavailable: x', 'trace', '')],
			metadata = '{"orders:failures": {"1": {"code": "unavailable", "class": "transient"}}}'
		WHERE kind = 'points_batch'`)
	b.exec(`UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind <> 'points_batch'`)

	for _, id := range ids {
		err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
			facts, err := progress.ReadFacts(t.Context(), tx, id)
			if job := facts.Work[order.Points].Job; err == nil && (job == nil || job.Failures != 1 || job.State != "retryable" || job.Code != order.Unavailable) {
				t.Errorf("why goes by the job %+v", job)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}

		entries, err := explain.Timeline(t.Context(), b.pool, id, 100)
		if err != nil {
			t.Fatal(err)
		}

		attempts := 0

		for _, e := range entries {
			if e.Type == "attempt" && e.Step == order.Points && e.Detail["error"] == order.PublicError(order.Unavailable) {
				attempts++
			}
		}

		if attempts != 1 {
			t.Errorf("the timeline has %d attempts: %+v", attempts, entries)
		}
	}
}

// Its process has died: one of the orders may be the cause. Each that is not done gets a job
// of its own, and no death is held against it.
func TestASharedJobWhoseProcessDiedFallsApart(t *testing.T) {
	t.Parallel()

	for name, metadata := range map[string]string{
		"rescued once":             `{"orders:rescued": 1}`,
		"by River's rescuer":       `{"river:rescue_count": 1}`,
		"often":                    `{"orders:rescued": 2, "river:rescue_count": 4, "orders:alone": true}`,
		"after an attempt of ours": `{"orders:rescued": 1, "orders:failures": {"1": {"code": "internal", "class": "unknown"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			ids := b.together(10)
			b.exec(`UPDATE river_job SET metadata = $1 WHERE kind = 'points_batch'`, metadata)
			b.exec(`INSERT INTO points_entries (order_id, kind, user_id, points) VALUES ($1, 'earn', 'u-1', 10)`, ids[0])
			b.exec(`INSERT INTO points_balances VALUES ('u-1', 10)`)
			b.start()

			b.eventually(0, unsettled)
			b.sound()

			for sql, want := range map[string]int{
				`SELECT count(*) FROM points_entries`:                                                                                     10,
				`SELECT count(*) FROM river_job WHERE kind = 'points'`:                                                                    9,
				`SELECT count(*) FROM river_job WHERE kind = 'points' AND attempt = 1`:                                                    9,
				`SELECT count(*) FROM river_job WHERE kind = 'points_batch'`:                                                              1,
				`SELECT count(*) FROM dead_letters`:                                                                                       0,
				`SELECT count(*) FROM river_job WHERE kind = 'points' AND metadata ?| '{orders:rescued,river:rescue_count,orders:alone}'`: 0,
			} {
				if got := count(b, sql); got != want {
					t.Errorf("%s = %d, want %d", sql, got, want)
				}
			}
		})
	}
}

// A held order's deadline is a job of its own, also in a batch.
func TestHeldOrdersOfABatchExpire(t *testing.T) {
	t.Parallel()

	b := setup(t)
	placements := make([]flow.Placement, 4)
	for i := range placements {
		placements[i] = flow.Placement{
			OrderID: uuid.Must(uuid.NewV7()),
			Draft:   order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: "tea", Quantity: 1}}},
		}

		if i < 2 {
			placements[i].Draft.Hold = time.Second
		}
	}

	err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := flow.Place(b.queue)(t.Context(), tx, placements)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	b.start()
	b.eventually(2, `SELECT count(*) FROM orders WHERE status = 'expired'`)
	b.eventually(2, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)
	b.eventually(0, unsettled)
	b.sound()
}
