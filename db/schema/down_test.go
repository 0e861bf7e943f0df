package schema_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/db/dbtest"
	"orders/db/schema"
)

// planned is what the way down would do, and does not do as nobody confirms it.
func planned(t *testing.T, m schema.Migrator, all bool) (r schema.Reversal) {
	t.Helper()

	declined := errors.New("declined")

	err := m.Down(t.Context(), all, func(plan schema.Reversal) error {
		r = plan

		return declined
	})
	if !errors.Is(err, declined) {
		t.Fatal(err)
	}

	return r
}

// What is confirmed is what is reverted, although others revert at the same time.
func TestEachWayDownIsConfirmed(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	all := dbtest.Count(t, open(t, url), `SELECT count(*) FROM orders_migrations`)

	var confirmed [2][]string

	done := make(chan error, len(confirmed))

	for i := range confirmed {
		go func() {
			done <- migrator(t, url, nil).Down(context.WithoutCancel(t.Context()), false, func(plan schema.Reversal) error {
				confirmed[i] = plan.Migrations

				return nil
			})
		}()
	}

	for range confirmed {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}

	if slices.Equal(confirmed[0], confirmed[1]) {
		t.Errorf("%q was confirmed twice", confirmed[0])
	}

	if got := dbtest.Count(t, open(t, url), `SELECT count(*) FROM orders_migrations`); got != all-len(confirmed) {
		t.Errorf("%d of %d migrations are left", got, all)
	}
}

func TestThePlanOfAWayDownNamesWhatIsLost(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)
	id := uuid.Must(uuid.NewV7())

	for _, sql := range []string{
		`INSERT INTO orders (id, user_id, status, currency, total) SELECT uuid_at(now() - n * interval '1 s'), 'u-1', 'pending', 'EUR', 1 FROM generate_series(1, 3) AS n`,
		`INSERT INTO orders (id, user_id, status, currency, total, batch_id) VALUES ($1, 'u-1', 'pending', 'EUR', 1, $1)`,
		`INSERT INTO river_job (kind, queue, args, max_attempts) VALUES ('points', 'points', '{}', 1)`,
	} {
		args := []any{id}[:strings.Count(sql, "($1")]
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}

	plan := func(all bool) schema.Reversal {
		t.Helper()

		return planned(t, migrator(t, url, map[string]string{
			"900001_expand.up.sql": expandUp, "900001_expand.down.sql": "ALTER TABLE orders\n\tDROP COLUMN batch_id,\n\tDROP COLUMN total;\nDELETE FROM steps;",
		}), all)
	}

	all := plan(true)

	for _, loss := range []string{"table orders (4 rows)", "table river_job (1 rows)", "table steps (3 rows)"} {
		if !slices.Contains(all.Losses, loss) {
			t.Errorf("%q; want %s", all.Losses, loss)
		}
	}

	// A table stands for its columns and rows.
	if slices.ContainsFunc(all.Losses, func(loss string) bool { return !strings.HasPrefix(loss, "table ") }) {
		t.Errorf("%q", all.Losses)
	}

	if _, err := pool.Exec(t.Context(), `INSERT INTO orders_migrations (version) VALUES (900001)`); err != nil {
		t.Fatal(err)
	}

	one := plan(false)
	want := []string{"column batch_id of table orders (1 rows)", "column total of table orders (4 rows)", "rows of table steps"}

	if !slices.Equal(one.Losses, want) || !slices.Equal(one.Migrations, []string{"900001_expand"}) {
		t.Errorf("%+v", one)
	}
}

func TestThePlanOfAWayDownNamesThePrograms(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	pool := open(t, url)

	for _, session := range []string{"orders%20a", "psql"} {
		if _, err := open(t, url+map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")]+"application_name="+session).Exec(t.Context(), `SELECT 1`); err != nil {
			t.Fatal(err)
		}
	}

	_, err := pool.Exec(t.Context(), `
		INSERT INTO workers (id, host, pid, version, queues, sessions, seen_at, ended_at)
		VALUES
			('a', '', 1, '', '{}', 'orders a', now(), NULL),
			('pooled', '', 1, '', '{}', '', now(), NULL),
			('silent', '', 1, '', '{}', '', now() - interval '1 minute', NULL),
			('dead', '', 1, '', '{}', '', now(), now())`)
	if err != nil {
		t.Fatal(err)
	}

	r := planned(t, migrator(t, url, nil), false)
	if !slices.Equal(r.Programs, []string{"orders a", "worker pooled"}) {
		t.Errorf("%q", r.Programs)
	}
}

func TestThereIsNothingToRevertInAnEmptyDatabase(t *testing.T) {
	t.Parallel()

	url := dbtest.Empty(t)

	for _, all := range []bool{false, true} {
		if err := down(t.Context(), url, all); !errors.Is(err, schema.ErrNothing) {
			t.Errorf("down: %v", err)
		}
	}
}
