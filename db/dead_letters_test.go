package db_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"orders/db"
	"orders/db/dbtest"
	"orders/order"
)

// A giveUp is a job on its last legs, and how it is given up.
type giveUp struct {
	kind     string
	args     string
	metadata string
	errors   []string
	state    string // discarded by default
}

// dead puts the job into River's table and gives it up by SQL, as psql would.
func (g giveUp) dead(t *testing.T, pool *pgxpool.Pool) (jobID int64) {
	t.Helper()

	if g.kind == "" {
		g.kind = "points"
	}

	if g.args == "" {
		g.args = "{}"
	}

	if g.metadata == "" {
		g.metadata = "{}"
	}

	if g.state == "" {
		g.state = "discarded"
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
		VALUES ('running', cardinality($4::text[]), 10, $1::jsonb, $2::jsonb, $3, 'points', $4::text[]::jsonb[])
		RETURNING id`, g.args, g.metadata, g.kind, attempts).Scan(&jobID)
	if err != nil {
		t.Fatal(err)
	}

	_, err = pool.Exec(t.Context(), `UPDATE river_job SET state = $2::river_job_state, finalized_at = now() WHERE id = $1`, jobID, g.state)
	if err != nil {
		t.Fatal(err)
	}

	return jobID
}

func change(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()

	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func openLetters(t *testing.T, pool *pgxpool.Pool) []db.DeadLetter {
	t.Helper()

	letters, err := db.DeadLetters(t.Context(), pool, db.LetterFilter{}, db.LettersOpen, nil, 100)
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
		metadata: `{"orders:redrives": 2}`,
		errors:   []string{"first", "unavailable: dial tcp 10.0.0.1:5432: connection refused"},
	}.dead(t, pool)

	change(t, pool, `DELETE FROM river_job`) // the letter stays

	l, err := db.ReadDeadLetter(t.Context(), pool, jobID)
	if err != nil {
		t.Fatal(err)
	}

	if l.Kind != "points" || l.Queue != "points" || l.OrderID == nil || *l.OrderID != id || l.Attempts != 2 || l.Redrives != 2 || l.DeadAt.IsZero() {
		t.Errorf("%+v", l)
	}

	if l.Reason != db.ReasonTransient || l.Signature != "points: unavailable: dial tcp ?: connection refused" || l.Resolution != "" {
		t.Errorf("%+v", l)
	}

	if len(l.Errors) != 2 || l.Errors[0].Error != "first" || l.Errors[1].Error != l.Error || l.Errors[1].Attempt != 2 || l.Errors[1].At.IsZero() {
		t.Errorf("errors %+v", l.Errors)
	}

	if !strings.Contains(string(l.Args), `"later": [1, null]`) {
		t.Errorf("args %s", l.Args)
	}
}

func TestWhatIsGivenUpOnPurposeIsNoDeadLetter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for _, kind := range []string{"compensate", "audit", "prune"} {
		giveUp{kind: kind, errors: []string{"x"}}.dead(t, pool)
	}

	giveUp{metadata: `{"unique_key_conflict": "scheduler_discarded"}`}.dead(t, pool)
	giveUp{state: "completed"}.dead(t, pool)

	if letters := openLetters(t, pool); len(letters) > 0 {
		t.Errorf("%+v", letters)
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
	if len(letters) != 1 || letters[0].JobID != jobID || letters[0].Reason != db.ReasonCancelled {
		t.Fatalf("%+v", letters)
	}

	// Retried there, and dead again: the letter is open once more, though somebody had closed it.
	resolve(t, pool, jobID)

	if _, err := queue.JobRetry(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}

	change(t, pool, `UPDATE river_job SET state = 'discarded', finalized_at = now(), errors = ARRAY['{"error":"unavailable: x"}'::jsonb] WHERE id = $1`, jobID)

	if letters := openLetters(t, pool); len(letters) != 1 || letters[0].Reason != db.ReasonTransient || letters[0].ResolvedBy != "" {
		t.Errorf("%+v", letters)
	}
}

func resolve(t *testing.T, pool *pgxpool.Pool, jobID int64) {
	t.Helper()

	err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return db.ResolveDeadLetters(t.Context(), tx, []db.LetterEnd{{JobID: jobID, Resolution: db.ResolvedDismissed, By: "me", Note: "seen"}})
	})
	if err != nil {
		t.Fatal(err)
	}

	l, err := db.ReadDeadLetter(t.Context(), pool, jobID)
	if err != nil || l.Resolution != db.ResolvedDismissed || l.ResolvedBy != "me" || l.Note != "seen" || l.ResolvedAt == nil {
		t.Fatalf("%+v, %v", l, err)
	}
}

// River must be able to give a job up whatever is wrong with our side of it.
func TestAFailingTriggerNeverStopsRiver(t *testing.T) {
	t.Parallel()

	const bad = `{"order_id": "no uuid"}`

	for name, test := range map[string]struct {
		broken  string // by whom
		args    string
		letters string // SQL that counts what is kept
		want    int
	}{
		"the table is renamed": {`ALTER TABLE dead_letters RENAME TO gone`, bad, `SELECT count(*) FROM gone`, 0},
		"the table is dropped": {`DROP TABLE dead_letters`, bad, `SELECT 0`, 0},
		"a column is missing":  {`ALTER TABLE dead_letters DROP COLUMN queue`, bad, `SELECT count(*) FROM dead_letters`, 0},
		"a column is new": {
			`ALTER TABLE dead_letters ADD COLUMN x int NOT NULL DEFAULT 1 CHECK (x > 1)`, bad, `SELECT count(*) FROM dead_letters`, 0,
		},
		"the signature fails": {
			`CREATE OR REPLACE FUNCTION error_signature(kind text, error text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$`, bad,
			`SELECT count(*) FROM dead_letters WHERE reason = 'unknown' AND signature = 'points' AND error = 'unavailable: x' AND args <> '{}'`, 1,
		},
		"the reason is not one": {
			`CREATE OR REPLACE FUNCTION dead_letter_reason(state text, metadata jsonb, error text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$`, bad,
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

			giveUp{args: test.args, metadata: `{"river:rescue_count": "x", "orders:redrives": -1}`, errors: []string{"unavailable: x"}}.dead(t, pool)

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

// Whoever gives a job up may have another search_path than we.
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

func TestReasonsOfDeath(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for name, test := range map[string]struct {
		giveUp

		want db.Reason
	}{
		"the database was away":  {giveUp{errors: []string{"x", order.Errorf(order.Unavailable, "x").Error()}}, db.ReasonTransient},
		"it took too long":       {giveUp{errors: []string{"context deadline exceeded"}}, db.ReasonTransient},
		"its last run was lost":  {giveUp{errors: []string{"x", "Stuck job rescued by JobRescuer"}, metadata: `{"river:rescue_count": 2}`}, db.ReasonTransient},
		"there is no order":      {giveUp{errors: []string{order.Errorf(order.NotFound, "x").Error()}}, db.ReasonPermanent},
		"the worker gives up":    {giveUp{errors: []string{river.JobCancel(order.Errorf(order.Internal, "x")).Error()}, state: "cancelled"}, db.ReasonPermanent},
		"rescued too often":      {giveUp{errors: []string{"unavailable: x"}, metadata: `{"river:rescue_count": 3}`}, db.ReasonPoison},
		"returned too often":     {giveUp{errors: []string{"x"}, metadata: `{"orders:returned": 3}`}, db.ReasonPoison},
		"both too often":         {giveUp{metadata: `{"river:rescue_count": 1, "orders:returned": 2}`}, db.ReasonPoison},
		"quarantined":            {giveUp{errors: []string{"JobCancelError: x"}, metadata: `{"orders:returned": 3}`, state: "cancelled"}, db.ReasonPoison},
		"an operator cancels":    {giveUp{metadata: `{"cancel_attempted_at": "2026-03-01T12:30:00Z"}`, errors: []string{"unavailable: x"}, state: "cancelled"}, db.ReasonCancelled},
		"while it runs":          {giveUp{metadata: `{"cancel_attempted_at": "2026-03-01T12:30:00Z"}`, errors: []string{"JobCancelError: x"}, state: "cancelled"}, db.ReasonCancelled},
		"psql cancels":           {giveUp{errors: []string{"unavailable: x"}, state: "cancelled"}, db.ReasonCancelled},
		"a bug":                  {giveUp{errors: []string{`award: relation "points_entries" does not exist`}}, db.ReasonUnknown},
		"a code somewhere in it": {giveUp{errors: []string{`x: unavailable: not-found: x`}}, db.ReasonUnknown},
		"psql discards":          {giveUp{}, db.ReasonUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			l, err := db.ReadDeadLetter(t.Context(), pool, test.dead(t, pool))
			if err != nil || l.Reason != test.want {
				t.Errorf("%s, want %s, %v", l.Reason, test.want, err)
			}
		})
	}
}

func TestSignaturesLeaveOutWhatDiffers(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for message, want := range map[string]string{
		``:  `points:`,
		`x`: `points: x`,
		`JobCancelError: not-found: There is no order 0192f7a0-1111-7abc-8def-0123456789ab.`:                      `points: not-found: There is no order ?.`,
		`unavailable: dial tcp 127.0.0.1:5432: connect: connection refused`:                                       `points: unavailable: dial tcp ?: connect: connection refused`,
		`unavailable: dial tcp [::1]:5432: connect: connection refused`:                                           `points: unavailable: dial tcp ?: connect: connection refused`,
		`unavailable: read tcp 10.1.2.3:51234->10.1.2.4:5432: i/o timeout`:                                        `points: unavailable: read tcp ?->?: i/o timeout`,
		`lookup db-7.internal.example on 10.0.0.2:53: no such host`:                                               `points: lookup db-?.internal.example on ?: no such host`,
		"failed to connect to `user=orders database=orders`: db.example.com:5432: server error":                   `points: failed to connect to ?: ?: server error`,
		`dial unix /run/postgres/.s.PGSQL.5432: connect: no such file`:                                            `points: dial unix ?: connect: no such file`,
		`earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`:                           `points: earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`,
		`ERROR: duplicate key value violates unique constraint "orders_pkey" (SQLSTATE 23505)`:                    `points: ERROR: duplicate key value violates unique constraint "orders_pkey" (SQLSTATE 23505)`,
		`FATAL: password authentication failed for user "orders_7" (SQLSTATE 28P01)`:                              `points: FATAL: password authentication failed for user ? (SQLSTATE 28P01)`,
		`XX000 internal (SQLSTATE XX000)`:                                                                         `points: XX? internal (SQLSTATE XX000)`,
		`There is no product "tea"; it isn't there, can't be`:                                                     `points: There is no product ?; it isn't there, can't be`,
		`value 'a b' of 12 is above -3.5, after 250ms`:                                                            `points: value ? of ? is above ?, after ?`,
		`at 2026-03-01T12:30:00.123Z and 2026-03-01 12:30:00 UTC and 2026-03-01`:                                  `points: at ? and ? and ?`,
		`hash 9f86d081884c7d659a2feaa0c55ad015 at 0xc000123456 of sku-17, u12345, utf8`:                           `points: hash ? at ? of sku-?, u?, utf8`,
		`POST https://hooks.example.com/x/17?token=abc: 503`:                                                      `points: POST ? ?`,
		"panic in batch: runtime error: index out of range [5] with length 3\ngoroutine 7 [running]:\nmain.go:12": `points: panic in batch: runtime error: index out of range [?] with length ?`,
		"a\t b   c":                    `points: a b c`,
		strings.Repeat("long ", 1_000): ("points: " + strings.Repeat("long ", 60))[:250],
	} {
		var got string
		if err := pool.QueryRow(t.Context(), `SELECT error_signature('points', $1)`, message).Scan(&got); err != nil {
			t.Fatal(err)
		}

		if got != want {
			t.Errorf("%q\n got %s\nwant %s", message, got, want)
		}
	}
}
