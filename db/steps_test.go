package db_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/order"
)

// Go and SQL each have the declarations of the steps; this is what keeps them the same.
func TestTableStepsSaysWhatTheProgramDeclares(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	rows, err := pool.Query(t.Context(), `
		SELECT name, template, due_in, after_payment, reversible
		FROM steps`)
	if err != nil {
		t.Fatal(err)
	}

	type row struct {
		Name         order.StepName
		Template     order.Template
		DueIn        []order.Status
		AfterPayment bool
		Reversible   bool
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		t.Fatal(err)
	}

	table := map[order.StepName]row{}
	for _, r := range list {
		table[r.Name] = r
	}

	for _, s := range order.Steps() {
		r, ok := table[s.Name]
		delete(table, s.Name)

		if !ok {
			t.Errorf("step %s has no row in table steps: the migration that adds the step must insert it", s.Name)

			continue
		}

		slices.Sort(s.DueIn)
		slices.Sort(r.DueIn)

		for column, differs := range map[string]bool{
			fmt.Sprintf("template is %q, declared %q", r.Template, s.Template):              r.Template != s.Template,
			fmt.Sprintf("due_in is %v, declared %v", r.DueIn, s.DueIn):                      !slices.Equal(r.DueIn, s.DueIn),
			fmt.Sprintf("after_payment is %t, declared %t", r.AfterPayment, s.AfterPayment): r.AfterPayment != s.AfterPayment,
			fmt.Sprintf("reversible is %t, declared %t", r.Reversible, s.Reversible):        r.Reversible != s.Reversible,
		} {
			if differs {
				t.Errorf("step %s: %s", s.Name, column)
			}
		}
	}

	for name := range table {
		t.Errorf("table steps has %s, which package order does not declare", name)
	}
}

// Only the first three steps are of all orders. A migration that forgets to say since when
// its step is due must not make history unsettled.
func TestAStepIsDueFromItsMigrationOn(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var always []string

	err := pool.QueryRow(t.Context(), `
		WITH added AS (
			INSERT INTO steps (name, due_in)
			VALUES ('forgotten', '{confirmed}')
			RETURNING name, since
		)
		SELECT array_agg(name ORDER BY name)
		FROM (SELECT name, since FROM steps UNION ALL SELECT name, since FROM added) AS s
		WHERE since IS NULL`).Scan(&always)
	if err != nil || !slices.Equal(always, []string{"inventory", "notification", "points"}) {
		t.Errorf("steps of all orders: %v, %v", always, err)
	}
}

// Each view must read the ledgers by their keys, whether it is asked for one order, a list or an id range.
func TestViewsOfStepsReadTheLedgersByTheirKeys(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := dbtest.Grow(t, pool, 20_000)

	ledgers := []string{"stock_movements_pkey", "points_entries_pkey", "notifications_pkey"}

	for view, indexes := range map[string][]string{
		"step_effects": ledgers,
		"due_steps":    {"orders_pkey"},
		"undone_steps": append(ledgers, "orders_pkey"),
		"open_steps":   append(ledgers, "orders_pkey", "river_job_unique_idx", "dead_letters_order_idx"),
	} {
		for condition, args := range map[string][]any{
			"order_id = $1":                    {ids[0]},
			"order_id = ANY($1)":               {ids},
			"order_id > $1 AND order_id <= $2": {ids[len(ids)-1], ids[0]},
		} {
			t.Run(view+" "+condition, func(t *testing.T) {
				t.Parallel()

				plans := dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error {
					return dbtest.Err(tx.Exec(ctx, "SELECT order_id, step FROM "+view+" WHERE "+condition, args...))
				})

				for _, plan := range plans {
					if dbtest.ScansGrowingTable(plan) {
						t.Error(plan)
					}

					for _, index := range indexes {
						if !strings.Contains(plan, index) {
							t.Errorf("%s is not used:\n%s", index, plan)
						}
					}
				}
			})
		}
	}
}

// placeOrder writes an order whose id is of that moment.
func placeOrder(t *testing.T, pool *pgxpool.Pool, at time.Time) (id uuid.UUID) {
	t.Helper()

	err := pool.QueryRow(t.Context(), `
		INSERT INTO orders (id, user_id, status, currency, total, created_at, updated_at)
		VALUES (uuid_at($1), 'u-1', 'confirmed', 'EUR', 1, $1, $1)
		RETURNING id`, at).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}

	return id
}

// So an order that is placed in the millisecond in which a step is added has the step.
func TestTheLowestIDOfAMomentIsOfItsMillisecond(t *testing.T) {
	t.Parallel()

	const (
		millisecond = 1_688_096_058_518 // since 1970
		want        = "01890a5d-ac96-7000-8000-000000000000"
	)

	pool := dbtest.Pool(t)

	for _, micros := range []int64{0, 499, 500, 999} {
		at := time.UnixMicro(millisecond*1_000 + micros)

		var id string
		if err := pool.QueryRow(t.Context(), `SELECT uuid_at($1)`, at).Scan(&id); err != nil || id != want {
			t.Errorf("uuid_at(%s) is %s, %v; want %s", at, id, err, want)
		}
	}
}

// A step that is added must not make history unsettled.
func TestAnOrderFromBeforeAStepIsSettledWithoutIt(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var since time.Time

	err := pool.QueryRow(t.Context(), `
		INSERT INTO steps (name, due_in, since)
		VALUES ('invoice', '{confirmed}', now())
		RETURNING since`).Scan(&since)
	if err != nil {
		t.Fatal(err)
	}

	// For a step that the program shows, too.
	if _, err := pool.Exec(t.Context(), `UPDATE steps SET since = $1 WHERE name = 'points'`, since); err != nil {
		t.Fatal(err)
	}

	before, after := placeOrder(t, pool, since.Add(-time.Second)), placeOrder(t, pool, since.Add(time.Second))

	for _, view := range []string{"due_steps", "undone_steps", "open_steps"} {
		for id, want := range map[uuid.UUID]string{
			before: "inventory notification",
			after:  "inventory invoice notification points",
		} {
			var steps string

			err := pool.QueryRow(t.Context(), `SELECT string_agg(step, ' ' ORDER BY step) FROM `+view+` WHERE order_id = $1`, id).Scan(&steps)
			if err != nil || steps != want {
				t.Errorf("%s has %q, %v; want %q", view, steps, err, want)
			}
		}
	}

	for id, want := range map[uuid.UUID]order.StepState{before: order.Skipped, after: order.Waiting} {
		o, err := db.Order(t.Context(), pool, id)
		if err != nil {
			t.Fatal(err)
		}

		for _, step := range o.Steps {
			if step.Name == order.Points && step.State != want || step.Name != order.Points && step.State != order.Waiting {
				t.Errorf("an order of %s: %s is %s", o.CreatedAt.Sub(since), step.Name, step.State)
			}
		}
	}
}
