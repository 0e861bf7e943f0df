package jobqueue_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"orders/db/dbtest"
	"orders/db/jobqueue"
)

// A claim leaves the same rows as River's fetch does, of the jobs from a time on.
func TestClaimJobsIsRiversFetch(t *testing.T) {
	t.Parallel()

	var (
		clients = []string{"w-1", "w-2"}
		now     = time.Now().Add(-time.Second).Truncate(time.Microsecond)
		limit   = 4
		want    []int64
		rows    [2][]*rivertype.JobRow
	)

	for i, client := range clients {
		pool := dbtest.Pool(t)
		exec(t, pool, `
			INSERT INTO river_job (id, queue, kind, args, max_attempts, priority, attempted_by, state, finalized_at, created_at, scheduled_at)
			VALUES
				(1, 'points', 'points', '{}', 9, 1, NULL, 'available', NULL, '2026-01-01', now() - interval '1 hour'),
				(2, 'points', 'points', '{}', 9, 2, NULL, 'available', NULL, '2026-01-01', now() - interval '1 minute'),
				(3, 'points', 'points', '{}', 9, 1, '{a}', 'available', NULL, '2026-01-01', now() - interval '30 s'),
				(4, 'points', 'points', '{}', 9, 1, '{a,b,c}', 'available', NULL, '2026-01-01', now() - interval '40 s'),
				(5, 'points', 'other', '{}', 9, 1, NULL, 'available', NULL, '2026-01-01', now() - interval '40 s'),
				(6, 'inventory', 'points', '{}', 9, 1, NULL, 'available', NULL, '2026-01-01', now() - interval '40 s'),
				(7, 'points', 'points', '{}', 9, 1, NULL, 'available', NULL, '2026-01-01', now() + interval '1 hour'),
				(8, 'points', 'points', '{}', 9, 1, NULL, 'completed', now(), '2026-01-01', now() - interval '40 s'),
				(9, 'points', 'points', '{}', 9, 3, NULL, 'available', NULL, '2026-01-01', now() - interval '50 s')`)

		river := riverpgxv5.New(pool).GetExecutor()

		if i == 0 {
			exec(t, pool, `DELETE FROM river_job WHERE id = 1`)

			if _, err := river.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{
				ClientID: "w", Kind: []string{"points"}, MaxAttemptedBy: 3, MaxToLock: limit, Now: &now, Queue: "points",
			}); err != nil {
				t.Fatal(err)
			}
		} else {
			ids, err := jobqueue.ClaimJobs(t.Context(), pool, jobqueue.Claim{
				Client: "w", Kinds: []string{"points"}, MaxClients: 3, Limit: limit, Now: &now, Queue: "points", From: now.Add(-10 * time.Minute),
			})
			if err != nil {
				t.Fatal(err)
			}

			slices.Sort(ids)
			want = ids
			exec(t, pool, `DELETE FROM river_job WHERE id = 1 AND state = 'available'`)
		}

		all, err := river.JobGetByIDMany(t.Context(), &riverdriver.JobGetByIDManyParams{ID: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}})
		if err != nil || len(all) != 8 {
			t.Fatalf("%s: %d jobs, %v", client, len(all), err)
		}

		rows[i] = all
	}

	if !slices.Equal(want, []int64{2, 3, 4, 9}) {
		t.Errorf("claimed %v", want)
	}

	for i, river := range rows[0] {
		ours := rows[1][i]
		if river.ID != ours.ID || river.State != ours.State || river.Attempt != ours.Attempt || !slices.Equal(river.AttemptedBy, ours.AttemptedBy) ||
			(river.AttemptedAt == nil) != (ours.AttemptedAt == nil) || river.AttemptedAt != nil && !river.AttemptedAt.Equal(*ours.AttemptedAt) {
			t.Errorf("River leaves\n%+v\nand a claim\n%+v", river, ours)
		}
	}
}

// Reads are complete until one is slow. Then they begin where the head was, until the next complete one is due.
func TestAHeadBoundsReadsAfterASlowOne(t *testing.T) {
	t.Parallel()

	var (
		head     jobqueue.Head
		complete time.Time
		at       = time.Now()
	)

	if !head.From().IsZero() {
		t.Error("the first read is not complete")
	}

	head.Took(complete, time.Millisecond)
	head.Read(complete, at)

	if !head.From().IsZero() {
		t.Error("a quick read bounds the next one")
	}

	head.Took(complete, time.Hour)
	head.Read(complete, at)

	if from := head.From(); !from.Equal(at) {
		t.Errorf("after a slow read, the next one begins at %s", from)
	}

	head.Read(at, at.Add(time.Second))
	head.Read(at, at)

	if from := head.From(); !from.Equal(at.Add(time.Second)) {
		t.Errorf("the head has moved, and the next read begins at %s", from)
	}
}

// While an old snapshot keeps dead rows, a read of the head passes over each job that was worked since, and the bounded
// reads do not.
func TestBoundedReadsPassOverNoDeadRows(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	dbtest.OldSnapshot(t, pool, "backup")

	for range 4 {
		exec(t, pool, `INSERT INTO river_job (state, max_attempts, kind, args, queue, scheduled_at)
			SELECT 'available', 1, 'x', '{}', 'points', now() - interval '1 minute' FROM generate_series(1, 2000)`)
		exec(t, pool, `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE state = 'available'`)
	}

	blocks := func(do func(tx pgx.Tx) error) (read int64) {
		t.Helper()

		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			var before int64

			const count = `SELECT pg_stat_get_xact_blocks_fetched('river_job'::regclass)`

			err := errors.Join(tx.QueryRow(t.Context(), count).Scan(&before), do(tx), tx.QueryRow(t.Context(), count).Scan(&read))
			read -= before

			return err
		})
		if err != nil {
			t.Fatal(err)
		}

		return read
	}

	claim := func(from time.Time) func(tx pgx.Tx) error {
		return func(tx pgx.Tx) error {
			return dbtest.Err(jobqueue.ClaimJobs(t.Context(), tx, jobqueue.Claim{Queue: "points", Limit: 100, Client: "w", MaxClients: 9, From: from}))
		}
	}

	recent := time.Now().Add(-10 * time.Second)
	if complete, bounded := blocks(claim(time.Time{})), blocks(claim(recent)); complete < 100 || bounded > 10 {
		t.Errorf("a complete claim reads %d blocks, a bounded one %d", complete, bounded)
	}

	var reader jobqueue.Reader

	backlogs := func(tx pgx.Tx) error {
		return dbtest.Err(reader.Backlogs(t.Context(), tx, []string{"inventory", "points"}))
	}
	complete := blocks(backlogs)

	jobqueue.Slow(&reader)

	if bounded := blocks(backlogs); complete < 100 || bounded > 10 {
		t.Errorf("a complete reading of the backlogs reads %d blocks, a bounded one %d", complete, bounded)
	}
}
