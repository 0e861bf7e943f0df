package deadletter_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/jobs"
	"orders/order"
)

// A giveUp is a job whose attempts have failed, and how it is given up.
type giveUp struct {
	kind     string // points by default
	queue    string // the kind's by default
	args     string
	metadata map[string]any
	errors   []string
	code     order.Code        // of the newest error, with class, as the worker writes them; else
	class    deadletter.Reason // no worker ended the attempt
	state    string            // discarded by default
}

// dead puts the job into River's table and gives it up by SQL, as psql would.
func (g giveUp) dead(t *testing.T, pool *pgxpool.Pool) (jobID int64) {
	t.Helper()

	kind, args, state := cmp.Or(g.kind, "points"), cmp.Or(g.args, "{}"), cmp.Or(g.state, "discarded")
	queue := cmp.Or(g.queue, jobs.PolicyOf(kind).Queue)

	metadata := map[string]any{}
	maps.Copy(metadata, g.metadata)

	if g.class != "" {
		metadata[jobs.MetaFailures] = failures(len(g.errors), g.code, g.class)
	}

	attempts := make([]string, len(g.errors))
	for i, text := range g.errors {
		attempt, err := json.Marshal(map[string]any{"at": "2026-03-01T12:30:00Z", "attempt": i + 1, "error": text, "trace": ""})
		if err != nil {
			t.Fatal(err)
		}

		attempts[i] = string(attempt)
	}

	err := pool.QueryRow(t.Context(), `
		INSERT INTO river_job (state, attempt, max_attempts, args, metadata, kind, queue, errors)
		VALUES ('running', cardinality($5::text[]), 10, $1::jsonb, $2::jsonb, $3, $4, $5::text[]::jsonb[])
		RETURNING id`, args, metadata, kind, queue, attempts).Scan(&jobID)
	if err != nil {
		t.Fatal(err)
	}

	change(t, pool, `UPDATE river_job SET state = $2::river_job_state, finalized_at = now() WHERE id = $1`, jobID, state)

	return jobID
}

// failures is what a worker writes of an attempt's error into the job's metadata.
func failures(attempt int, code order.Code, class deadletter.Reason) map[string]any {
	return map[string]any{strconv.Itoa(attempt): map[string]any{"code": code, "class": class}}
}

func change(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func openLetters(t *testing.T, pool *pgxpool.Pool) []deadletter.Letter {
	t.Helper()

	letters, err := deadletter.List(t.Context(), pool, deadletter.Filter{}, deadletter.Open, nil, 100)
	if err != nil {
		t.Fatal(err)
	}

	return letters
}

func TestAJobThatIsGivenUpBySQLIsADeadLetter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	id := uuid.Must(uuid.NewV7())

	jobID := giveUp{
		args:     `{"order_id": "` + id.String() + `", "later": [1, null]}`,
		metadata: map[string]any{jobs.MetaRedrives: 2},
		errors:   []string{"first", "unavailable: dial tcp 10.0.0.1:5432: connection refused"},
		code:     order.Unavailable,
		class:    deadletter.Transient,
	}.dead(t, pool)

	change(t, pool, `DELETE FROM river_job`) // the letter stays

	l, err := deadletter.Read(t.Context(), pool, jobID)
	if err != nil {
		t.Fatal(err)
	}

	if l.Kind != "points" || l.Queue != "points" || l.OrderID == nil || *l.OrderID != id || l.Attempts != 2 || l.Redrives != 2 || l.DeadAt.IsZero() {
		t.Errorf("%+v", l)
	}

	if l.Reason != deadletter.Transient || l.Signature != "points: unavailable: dial tcp ?: connection refused" || l.Resolution != "" {
		t.Errorf("%+v", l)
	}

	if len(l.Errors) != 2 || l.Errors[0].Error != "first" || l.Errors[1].Error != l.Error || l.Errors[1].Attempt != 2 || l.Errors[1].At.IsZero() {
		t.Errorf("errors %+v", l.Errors)
	}

	if !strings.Contains(string(l.Args), `"later": [1, null]`) {
		t.Errorf("args %s", l.Args)
	}
}

// A periodic sweep is repeated by the next period, and the job of an endpoint is enqueued anew; all other work is lost when its job is.
func TestAllButPeriodicJobsLeaveADeadLetter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, policy := range jobs.Policies() {
		t.Run(policy.Kind, func(t *testing.T) {
			t.Parallel()

			_, err := deadletter.Read(t.Context(), pool, giveUp{kind: policy.Kind, queue: policy.Queue, errors: []string{"x"}}.dead(t, pool))

			if jobs.Redrivable(policy.Kind) && err != nil {
				t.Errorf("%v, want a letter", err)
			}

			if !jobs.Redrivable(policy.Kind) && order.CodeOf(err) != order.NotFound {
				t.Errorf("%v, want no letter of a periodic job", err)
			}
		})
	}
}

func TestAJobThatIsNotLostIsNoDeadLetter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	giveUp{metadata: map[string]any{"unique_key_conflict": "scheduler_discarded"}}.dead(t, pool)
	giveUp{state: "completed"}.dead(t, pool)

	if letters := openLetters(t, pool); len(letters) > 0 {
		t.Errorf("%+v", letters)
	}
}

// The keys are Go's: were one renamed on one side only, SQL would read nothing.
func TestSQLReadsTheMetadataThatGoWrites(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	metadata := map[string]any{
		jobs.MetaFailures:    failures(3, order.NotFound, deadletter.Poison),
		jobs.MetaRescued:     jobs.MaxDeaths - 1,
		jobs.MetaRedrives:    4,
		"river:rescue_count": 1,
	}

	var (
		code   order.Code
		class  deadletter.Reason
		deaths int
	)

	err := pool.QueryRow(t.Context(), `
		SELECT failure_code($1, '3'), failure_class($1, '3'), metadata_count($1, 'orders:rescued') + metadata_count($1, 'river:rescue_count')`, metadata).Scan(&code, &class, &deaths)
	if err != nil || code != order.NotFound || class != deadletter.Poison || deaths != jobs.MaxDeaths {
		t.Errorf("code %q, class %q, deaths %d, %v", code, class, deaths, err)
	}

	// An attempt that no worker ended.
	var none *string

	err = pool.QueryRow(t.Context(), `SELECT failure_code($1, '2'), failure_class($1, '2')`, metadata).Scan(&code, &none)
	if err != nil || code != order.Internal || none != nil {
		t.Errorf("code %q, class %v, %v", code, none, err)
	}

	jobID := giveUp{metadata: metadata, errors: []string{"x", "x", "not-found: x"}}.dead(t, pool)

	l, err := deadletter.Read(t.Context(), pool, jobID)
	if err != nil || l.Reason != deadletter.Poison || l.Redrives != 4 {
		t.Errorf("%+v, %v", l, err)
	}

	var codes []order.Code

	err = pool.QueryRow(t.Context(), `
		SELECT ARRAY[code] || ARRAY(SELECT e.error ->> 'code' FROM jsonb_array_elements(errors) AS e (error))
		FROM dead_letters
		WHERE job_id = $1`, jobID).Scan(&codes)
	if want := []order.Code{order.NotFound, order.Internal, order.Internal, order.NotFound}; err != nil || !slices.Equal(codes, want) {
		t.Errorf("codes of the letter and of its attempts %v, want %v, %v", codes, want, err)
	}
}

func TestRiverUIsCancelIsADeadLetter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}

	var jobID int64
	if err := pool.QueryRow(t.Context(), `INSERT INTO river_job (kind, args, max_attempts) VALUES ('points', '{}', 10) RETURNING id`).Scan(&jobID); err != nil {
		t.Fatal(err)
	}

	if _, err := queue.JobCancel(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}

	letters := openLetters(t, pool)
	if len(letters) != 1 || letters[0].JobID != jobID || letters[0].Reason != deadletter.Cancelled {
		t.Fatalf("%+v", letters)
	}

	// A job that was retried there and is dead again: its letter was redriven, and is open again.
	if _, err := queue.JobRetry(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}

	change(t, pool, `UPDATE river_job SET state = 'discarded', finalized_at = now(), errors = ARRAY['{"error":"unavailable: x"}'::jsonb] WHERE id = $1`, jobID)

	if letters := openLetters(t, pool); len(letters) != 1 || letters[0].Reason != deadletter.Transient || letters[0].ResolvedBy != "" {
		t.Errorf("%+v", letters)
	}

	// What was resolved cannot be retried there by mistake.
	resolve(t, pool, jobID)

	if _, err := queue.JobRetry(t.Context(), jobID); !errors.Is(err, river.ErrNotFound) {
		t.Errorf("retry after it was resolved: %v", err)
	}
}

func resolve(t *testing.T, pool *pgxpool.Pool, jobID int64) {
	t.Helper()

	err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return deadletter.Resolve(t.Context(), tx, []deadletter.Closing{{JobID: jobID, Resolution: deadletter.Dismissed, By: "me", Note: "seen"}})
	})
	if err != nil {
		t.Fatal(err)
	}

	l, err := deadletter.Read(t.Context(), pool, jobID)
	if err != nil || l.Resolution != deadletter.Dismissed || l.ResolvedBy != "me" || l.Note != "seen" || l.ResolvedAt == nil {
		t.Fatalf("%+v, %v", l, err)
	}
}

// River must be able to give a job up even if our table, function or data is broken.
func TestAFailingTriggerNeverStopsRiver(t *testing.T) {
	t.Parallel()

	const bad = `{"order_id": "no uuid"}`

	for name, test := range map[string]struct {
		broken  string // SQL that breaks something
		args    string
		letters string // SQL that counts what is kept
		want    int
	}{
		"the table is renamed": {`ALTER TABLE dead_letters RENAME TO gone`, bad, `SELECT count(*) FROM gone`, 0},
		"the table is dropped": {`DROP TABLE dead_letters CASCADE`, bad, `SELECT 0`, 0},
		"a column is missing":  {`ALTER TABLE dead_letters DROP COLUMN queue`, bad, `SELECT count(*) FROM dead_letters`, 0},
		"a column is new": {
			`ALTER TABLE dead_letters ADD COLUMN x int NOT NULL DEFAULT 1 CHECK (x > 1)`, bad, `SELECT count(*) FROM dead_letters`, 0,
		},
		"the signature fails": {
			`CREATE OR REPLACE FUNCTION error_signature(kind text, error text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$`, bad,
			`SELECT count(*) FROM dead_letters WHERE reason = 'unknown' AND signature = 'points' AND error = 'unavailable: x' AND args <> '{}'`, 1,
		},
		"the reason is not one": {
			`CREATE OR REPLACE FUNCTION failure_class(metadata jsonb, attempt text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$`, bad,
			`SELECT count(*) FROM dead_letters WHERE reason = 'unknown' AND code = 'internal'`, 1,
		},
		"the code fails": {
			`CREATE OR REPLACE FUNCTION failure_code(metadata jsonb, attempt text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$`, bad,
			`SELECT count(*) FROM dead_letters WHERE reason = 'unknown'`, 1,
		},
		"the order is no id":    {`SELECT 1`, bad, `SELECT count(*) FROM dead_letters WHERE order_id IS NULL AND reason = 'transient'`, 1},
		"the order is a number": {`SELECT 1`, `{"order_id": 7}`, `SELECT count(*) FROM dead_letters WHERE order_id IS NULL`, 1},
		"the args are a list":   {`SELECT 1`, `[1]`, `SELECT count(*) FROM dead_letters WHERE order_id IS NULL AND args = '[1]'`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			change(t, pool, test.broken)

			giveUp{
				args:     test.args,
				metadata: map[string]any{"river:rescue_count": "x", jobs.MetaRedrives: -1, jobs.MetaFailures: "x"},
				errors:   []string{"unavailable: x"},
			}.dead(t, pool)

			var discarded, kept int
			if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE state = 'discarded'`).Scan(&discarded); err != nil || discarded != 1 {
				t.Errorf("%d discarded, %v", discarded, err)
			}

			if err := pool.QueryRow(t.Context(), test.letters).Scan(&kept); err != nil || kept != test.want {
				t.Errorf("%d letters, want %d, %v", kept, test.want, err)
			}
		})
	}
}

// A session that gives a job up may have a search_path of its own.
func TestTheTriggerFindsItsTableFromAnySearchPath(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	change(t, pool, `INSERT INTO river_job (kind, args, max_attempts) VALUES ('points', '{}', 10)`)

	err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SET LOCAL search_path = pg_catalog`); err != nil {
			return err
		}

		_, err := tx.Exec(t.Context(), `UPDATE public.river_job SET state = 'discarded', finalized_at = now()`)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if letters := openLetters(t, pool); len(letters) != 1 || letters[0].Signature != "points:" {
		t.Errorf("%+v", letters)
	}
}

// The worker's class decides. An attempt without a class was not ended by a worker.
func TestReasonsOfDeath(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	cancelling := map[string]any{"cancel_attempted_at": "2026-03-01T12:30:00Z"}

	for name, test := range map[string]struct {
		giveUp

		want deadletter.Reason
	}{
		"the database was away":        {giveUp{errors: []string{"x", "unavailable: x"}, class: deadletter.Transient}, deadletter.Transient},
		"there is no order":            {giveUp{errors: []string{"not-found: x"}, class: deadletter.Permanent, state: "cancelled"}, deadletter.Permanent},
		"quarantined":                  {giveUp{errors: []string{"x"}, class: deadletter.Poison, state: "cancelled"}, deadletter.Poison},
		"a bug":                        {giveUp{errors: []string{"x"}, class: deadletter.Unknown}, deadletter.Unknown},
		"the text says otherwise":      {giveUp{errors: []string{"JobCancelError: not-found: x"}, class: deadletter.Unknown}, deadletter.Unknown},
		"a class from a newer program": {giveUp{errors: []string{"x"}, class: "later"}, deadletter.Unknown},
		"River's rescuer discards": {giveUp{
			errors: []string{"x", "Stuck job rescued by JobRescuer"},
			metadata: map[string]any{
				jobs.MetaFailures: failures(1, order.Internal, deadletter.Unknown), "river:rescue_count": jobs.MaxDeaths,
			},
		}, deadletter.Transient},
		"psql discards":                       {giveUp{}, deadletter.Transient},
		"an operator cancels":                 {giveUp{metadata: cancelling, state: "cancelled"}, deadletter.Cancelled},
		"an operator cancels after a failure": {giveUp{metadata: cancelling, errors: []string{"x"}, class: deadletter.Transient, state: "cancelled"}, deadletter.Cancelled},
		"while it runs":                       {giveUp{metadata: cancelling, errors: []string{"x"}, class: deadletter.Permanent, state: "cancelled"}, deadletter.Cancelled},
		"psql cancels":                        {giveUp{state: "cancelled"}, deadletter.Cancelled},
		"psql cancels after a failure":        {giveUp{errors: []string{"x"}, class: deadletter.Unknown, state: "cancelled"}, deadletter.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			l, err := deadletter.Read(t.Context(), pool, test.dead(t, pool))
			if err != nil || l.Reason != test.want {
				t.Errorf("%s, want %s, %v", l.Reason, test.want, err)
			}
		})
	}
}
