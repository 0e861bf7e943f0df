package session_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/db/session"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

// More clients than sessions use the same statements at once, through a PgBouncer that knows
// neither our settings nor prepared statements.
func TestThroughAPooler(t *testing.T) {
	t.Parallel()

	const clients, statements = 8, 50

	url := dbtest.PgBouncer(t, dbtest.URL(t), 3)

	var working sync.WaitGroup

	for range clients {
		pool, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(pool.Close)

		working.Go(func() {
			for range statements {
				if err := schema.CheckPlacing(t.Context(), pool); err != nil {
					t.Error(err)

					return
				}
			}
		})
	}

	working.Wait()
}

// The role gives the sessions what the pooler has dropped.
func TestSettingsThatAPoolerDrops(t *testing.T) {
	t.Parallel()

	direct := dbtest.URL(t)

	lost := func(url string) string {
		pool, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()

		sql, err := session.LostSettings(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}

		return sql
	}

	if sql := lost(direct); sql != "" {
		t.Errorf("without a pooler: %s", sql)
	}

	sql := lost(dbtest.PgBouncer(t, direct, 3))

	for _, name := range []string{"idle_in_transaction_session_timeout", "lock_timeout", "plan_cache_mode", "random_page_cost", "statement_timeout"} {
		if !strings.Contains(sql, " SET "+name+" = ") {
			t.Errorf("%s is not mentioned: %s", name, sql)
		}
	}

	conn, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())

	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}

	if sql := lost(dbtest.PgBouncer(t, direct, 3)); sql != "" {
		t.Errorf("after ALTER ROLE: %s", sql)
	}
}

// If the url demands prepared statements of a pooler that loses them, no order can be placed.
func TestPlacingIsCheckedWithTheStatementsOfPlacing(t *testing.T) {
	t.Parallel()

	direct := dbtest.URL(t)
	prepares := dbtest.PgBouncer(t, direct, 1) + "&default_query_exec_mode=cache_statement"

	for n, url := range []string{prepares, prepares} {
		pool, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(pool.Close)

		if err := schema.CheckPlacing(t.Context(), pool); (err == nil) != (n == 0) {
			t.Errorf("process %d: %v", n, err)
		}
	}

	pool, err := db.Open(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if _, err := pool.Exec(t.Context(), `ALTER TABLE order_lines RENAME TO gone`); err != nil {
		t.Fatal(err)
	}

	if err := schema.CheckPlacing(t.Context(), pool); err == nil {
		t.Error("a table is missing, and the check finds nothing")
	}
}
