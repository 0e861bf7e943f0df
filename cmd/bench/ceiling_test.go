package main

import (
	"testing"

	"orders/db/dbtest"
)

func TestCeilingWorksEachJobOff(t *testing.T) {
	t.Parallel()

	const orders = 4000 // more than one chunk of jobs

	url := dbtest.URL(t)
	pool := stocked(t, url, 0, 0)

	// What is left is counted by a trigger, as the jobs are removed in the end.
	if err := execEach(t.Context(), pool,
		`CREATE TABLE worked (kind text, n bigint)`,
		`CREATE FUNCTION count_worked() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO worked SELECT kind, count(*) FROM done WHERE state = 'completed' GROUP BY kind;
			RETURN NULL;
		END $$`,
		`CREATE TRIGGER count_worked AFTER UPDATE ON river_job REFERENCING NEW TABLE AS done EXECUTE FUNCTION count_worked()`,
	); err != nil {
		t.Fatal(err)
	}

	rate, err := ceiling(t.Context(), url, orders)
	if err != nil {
		t.Fatal(err)
	}

	if rate <= 0 {
		t.Errorf("rate is %f", rate)
	}

	for _, kind := range []string{"noop_inventory", "noop_points", "noop_notification"} {
		if n := countRows(t, pool, `SELECT sum(n) FROM worked WHERE kind = '`+kind+`'`); n != orders {
			t.Errorf("%d jobs of kind %s were completed, want %d", n, kind, orders)
		}
	}

	if n := countRows(t, pool, `SELECT count(*) FROM river_job`); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}
