package alert_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/alert"
	"orders/db/condition"
	"orders/db/dbtest"
)

// bundle is a database with alerts.
type bundle struct {
	*testing.T

	pool *pgxpool.Pool
}

// see tells the alerts what the conditions are now, by name.
func (b bundle) see(severities map[condition.Name]condition.Severity) {
	b.Helper()

	conditions := make([]condition.Condition, 0, len(condition.Names()))

	for _, name := range condition.Names() {
		severity, known := severities[name]
		if !known {
			severity = condition.OK
		}

		conditions = append(conditions, condition.Condition{Name: name, Severity: severity, Sentence: "It is so."})
	}

	if err := db.InTx(b.Context(), b.pool, func(tx pgx.Tx) error { return alert.Update(b.Context(), tx, conditions) }); err != nil {
		b.Fatal(err)
	}
}

// post acknowledges what is to be posted, and returns it.
func (b bundle) post() (posted []string) {
	b.Helper()

	messages, err := alert.Unposted(b.Context(), b.pool, 100)
	if err != nil {
		b.Fatal(err)
	}

	for _, m := range messages {
		posted = append(posted, string(m.State)+" "+string(m.Severity)+" "+string(m.Condition))

		if m.At.IsZero() || m.Since.IsZero() || m.Sentence != "It is so." {
			b.Errorf("%+v", m)
		}

		if err := alert.Posted(b.Context(), b.pool, m); err != nil {
			b.Fatal(err)
		}
	}

	return posted
}

func TestAlertsBeginAndEndOnce(t *testing.T) {
	t.Parallel()

	b := bundle{t, dbtest.Pool(t)}

	for i, step := range []struct {
		seen map[condition.Name]condition.Severity
		want []string
	}{
		{nil, nil},
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Warning}, []string{"begin warning oldest-work"}},
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Warning}, nil},
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Critical}, []string{"end warning oldest-work", "begin critical oldest-work"}},
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Warning}, nil}, // it gets milder
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Warning, condition.NoLeader: condition.Critical}, []string{"begin critical no-leader"}},
		{nil, []string{"end critical oldest-work", "end critical no-leader"}},
		{nil, nil},
		{map[condition.Name]condition.Severity{condition.OldestWork: condition.Warning}, []string{"begin warning oldest-work"}},
	} {
		b.see(step.seen)

		if got := b.post(); !slices.Equal(got, step.want) {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}

// What was not acknowledged is posted again, with the same id; and an alert that has ended
// before its begin was posted is posted as both.
func TestAnAlertIsPostedUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()

	b := bundle{t, dbtest.Pool(t)}
	b.see(map[condition.Name]condition.Severity{condition.NoWorkers: condition.Critical})

	first, err := alert.Unposted(t.Context(), b.pool, 100)
	if err != nil || len(first) != 1 {
		t.Fatalf("%v, %v", first, err)
	}

	b.see(nil)

	again, err := alert.Unposted(t.Context(), b.pool, 100)
	if err != nil || len(again) != 1 || again[0].ID != first[0].ID || again[0].State != alert.Begin {
		t.Fatalf("%+v, %v; want %+v", again, err, first)
	}

	if got := b.post(); !slices.Equal(got, []string{"begin critical no-workers"}) {
		t.Errorf("%q", got)
	}

	if got := b.post(); !slices.Equal(got, []string{"end critical no-workers"}) {
		t.Errorf("%q", got)
	}

	if got := b.post(); got != nil {
		t.Errorf("%q", got)
	}
}

func TestOldAlertsAreDeleted(t *testing.T) {
	t.Parallel()

	b := bundle{t, dbtest.Pool(t)}
	b.see(map[condition.Name]condition.Severity{condition.NoWorkers: condition.Critical})
	b.post()
	b.see(nil)
	b.post()

	prune := func() int {
		if err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error { return alert.Prune(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}

		return dbtest.Count(t, b.pool, `SELECT count(*) FROM alerts`)
	}

	if n := prune(); n != 1 {
		t.Errorf("%d alerts, want the one of today", n)
	}

	if _, err := b.pool.Exec(t.Context(), `UPDATE alerts SET end_posted_at = now() - interval '31 days'`); err != nil {
		t.Fatal(err)
	}

	if n := prune(); n != 0 {
		t.Errorf("%d alerts, want none", n)
	}
}

func TestAlertsDoNotScanTheOnesOfBefore(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO alerts (condition, severity, sentence, since, ended_at, begin_posted_at, end_posted_at)
		SELECT 'no-leader', 'critical', '', now(), now(), now(), now() FROM generate_series(1, 20000)`); err != nil {
		t.Fatal(err)
	}

	if _, err := pool.Exec(t.Context(), `VACUUM ANALYZE alerts`); err != nil {
		t.Fatal(err)
	}

	since := time.Now()
	plans := dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := alert.Update(ctx, tx, []condition.Condition{{Name: condition.NoLeader, Severity: condition.Critical, Since: &since}}); err != nil {
			return err
		}

		if err := alert.Prune(ctx, tx); err != nil {
			return err
		}

		messages, err := alert.Unposted(ctx, tx, 10)
		if err != nil {
			return err
		}

		return alert.Posted(ctx, tx, messages[0])
	})

	for _, plan := range plans {
		if dbtest.ScansGrowingTable(plan) {
			t.Error(plan)
		}
	}
}
