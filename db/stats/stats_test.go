package stats_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/stats"
)

// bundle is a database with orders of the past.
type bundle struct {
	*testing.T

	pool *pgxpool.Pool
	now  time.Time // the start of the minute in which the test began
}

func setup(t *testing.T) bundle {
	t.Helper()
	t.Parallel()

	b := bundle{T: t, pool: dbtest.Pool(t)}
	if err := b.pool.QueryRow(t.Context(), `SELECT date_trunc('minute', now(), 'UTC')`).Scan(&b.now); err != nil {
		t.Fatal(err)
	}

	b.now = b.now.UTC()

	return b
}

func (b bundle) exec(sql string, args ...any) {
	b.Helper()

	if _, err := b.pool.Exec(b.Context(), sql, args...); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
}

// order inserts an order placed at a moment, whose steps were done after the given times; 0 for not at all.
func (b bundle) order(at time.Time, status string, inventory, points, notification time.Duration) (id string) {
	b.Helper()

	// A UUIDv7 of that moment, with random bits behind.
	err := b.pool.QueryRow(b.Context(), `
		INSERT INTO orders (id, user_id, status, currency, total, created_at)
		VALUES ((left(uuid_at($1)::text, 15) || substr(gen_random_uuid()::text, 16))::uuid, 'u-1', $2, 'EUR', 1, $1)
		RETURNING id`, at, status).Scan(&id)
	if err != nil {
		b.Fatal(err)
	}

	b.exec(`INSERT INTO stock_movements (order_id, sku, kind, quantity, at)
		SELECT $1, sku, 'deduct', 1, $2 FROM unnest('{tea,pot}'::text[]) AS sku WHERE $3::bool`, id, at.Add(inventory), inventory != 0)
	b.exec(`INSERT INTO points_entries (order_id, kind, user_id, points, at) SELECT $1, 'earn', 'u-1', 10, $2 WHERE $3::bool`,
		id, at.Add(points), points != 0)
	b.exec(`INSERT INTO notifications (order_id, template, user_id, body, at) SELECT $1, 'created', 'u-1', 'x', $2 WHERE $3::bool`,
		id, at.Add(notification), notification != 0)

	return id
}

func (b bundle) end(id, status string, at time.Time) {
	b.Helper()
	b.exec(`INSERT INTO order_events (order_id, type, at) VALUES ($1, $2, $3)`, id, status, at)
}

// update counts all minutes up to the present.
func (b bundle) update(most time.Duration) (pieces int) {
	b.Helper()

	for p := (stats.Piece{}); !p.Done; pieces++ {
		if err := db.InTx(b.Context(), b.pool, func(tx pgx.Tx) (err error) {
			p, err = stats.Update(b.Context(), tx, p.To, most)

			return err
		}); err != nil {
			b.Fatal(err)
		}
	}

	return pieces
}

func (b bundle) minutes(from, to time.Time, bucket time.Duration) []stats.Counts {
	b.Helper()

	counts, err := stats.Minutes(b.Context(), b.pool, from, to, bucket)
	if err != nil {
		b.Fatal(err)
	}

	for i := range counts {
		counts[i].At = counts[i].At.UTC()
	}

	return counts
}

func TestUpdateCountsEachOrderInItsMinute(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	ms, first := time.Millisecond, b.now.Add(-30*time.Minute)
	second, third := first.Add(time.Minute), first.Add(2*time.Minute)

	b.order(first, "confirmed", 10*ms, 20*ms, 30*ms)
	b.order(first, "pending", 0, 20*ms, 30*ms)                                                 // not settled yet
	b.order(first.Add(59*time.Second), "confirmed", 100*ms, 2*time.Second, 500*ms)             // settles a minute later
	b.order(first, "confirmed", 10*ms, 20*ms, 2*time.Minute)                                   // two minutes later
	b.end(b.order(first, "rejected", 0, 0, 30*ms), "rejected", first.Add(50*ms))               // settles with its end
	b.end(b.order(first, "cancelled", 10*ms, 20*ms, 30*ms), "cancelled", third)                // had settled before
	b.end(b.order(second, "cancelled", 10*ms, 0, 30*ms), "cancelled", second.Add(time.Second)) // had not
	b.end(b.order(second, "expired", 0, 20*ms, 30*ms), "expired", third)
	b.end(b.order(second, "failed", 0, 20*ms, 30*ms), "failed", third)

	voided := b.order(second, "cancelled", 10*ms, 0, 30*ms)
	b.exec(`INSERT INTO points_entries (order_id, kind, user_id, points, at) VALUES ($1, 'earn', 'u-1', 0, $2)`, voided, second.Add(time.Second))
	b.end(voided, "cancelled", second.Add(time.Second))

	for _, most := range []time.Duration{time.Minute, 7 * time.Minute, time.Hour} {
		b.exec(`INSERT INTO watermarks (name, order_id, at) VALUES ('stats', gen_random_uuid(), $1)
			ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at`, first.Add(-time.Minute))
		b.update(most)

		want := []stats.Counts{
			{At: first, Placed: 6, Settled: 3, Rejected: 1},
			{At: second, Placed: 4, Settled: 3, Cancelled: 2},
			{At: third, Settled: 3, Cancelled: 1, Expired: 1, Failed: 1},
		}
		if got := b.minutes(first, third.Add(time.Minute), time.Minute); !slices.Equal(got, want) {
			t.Errorf("pieces of %s: got %+v\nwant %+v", most, got, want)
		}
	}

	if got := b.minutes(first, b.now.Add(time.Hour), 24*time.Hour); len(got) != 1 || got[0].Placed != 10 || got[0].Settled != 9 {
		t.Errorf("in one bucket: %+v", got)
	}
}

func TestUpdateAgainGivesTheSame(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	at := b.now.Add(-20 * time.Minute)

	b.order(at, "confirmed", time.Millisecond, time.Millisecond, time.Millisecond)

	if pieces := b.update(time.Hour); pieces < 48 {
		t.Errorf("the first run counted the last 48 hours in %d pieces of an hour", pieces)
	}

	before := b.minutes(at, b.now, time.Minute)

	final, err := stats.Final(t.Context(), b.pool)
	if err != nil || final.Before(b.now.Add(-2*time.Minute)) || final.After(b.now) {
		t.Errorf("final up to %s, %v; it is %s", final, err, b.now)
	}

	if pieces := b.update(time.Minute); pieces > 4 {
		t.Errorf("the next run counted %d minutes", pieces)
	}

	b.exec(`UPDATE watermarks SET at = $1`, at.Add(-time.Minute))
	b.update(time.Minute)

	if again := b.minutes(at, b.now, time.Minute); !slices.Equal(before, again) || before[0].Settled != 1 {
		t.Errorf("before %+v\nafter %+v", before, again)
	}
}

// A transaction that is open keeps its minute from being final, and a run that is killed leaves nothing.
func TestUpdateCountsLateRows(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	b.update(time.Hour)

	late, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Rollback(context.WithoutCancel(t.Context()))

	begun := b.now.Add(-3 * time.Minute) // as if the transaction had begun then
	if _, err := late.Exec(t.Context(), `INSERT INTO orders (id, user_id, status, currency, total) VALUES (uuid_at($1), 'u', 'pending', 'EUR', 1)`, begun); err != nil {
		t.Fatal(err)
	}

	var opened time.Time
	if err := late.QueryRow(t.Context(), `SELECT now()`).Scan(&opened); err != nil {
		t.Fatal(err)
	}

	b.exec(`UPDATE watermarks SET at = $1`, begun.Add(-time.Minute))

	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	killed := errors.New("killed")
	if err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := stats.Update(t.Context(), tx, time.Time{}, time.Hour)

		return errors.Join(err, killed)
	}); !errors.Is(err, killed) {
		t.Fatal(err)
	}

	if got := b.minutes(begun, begun.Add(time.Minute), time.Minute); got[0].Placed != 0 {
		t.Errorf("after a run that was killed: %+v", got)
	}

	b.update(time.Minute)

	if got := b.minutes(begun, begun.Add(time.Minute), time.Minute); got[0].Placed != 1 {
		t.Errorf("after the run: %+v", got)
	}
}

func TestAnOpenTransactionKeepsMinutesOpen(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	b.update(time.Hour)

	writer, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Rollback(context.WithoutCancel(t.Context()))

	var begun time.Time
	if err := writer.QueryRow(t.Context(), `INSERT INTO points_balances VALUES ('u', 0) RETURNING now()`).Scan(&begun); err != nil {
		t.Fatal(err)
	}

	b.exec(`UPDATE watermarks SET at = $1`, b.now.Add(-10*time.Minute))
	b.update(time.Minute)

	if final, err := stats.Final(t.Context(), b.pool); err != nil || final.After(begun) {
		t.Errorf("final up to %s, %v, with a transaction open since %s", final, err, begun)
	}
}

func TestLatenciesAgreeWithExactOnes(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	at := b.now.Add(-10 * time.Minute)

	// 2,000 orders whose points took from 1 ms to 20 s: the square makes short ones more frequent.
	b.exec(`
		WITH placed AS (
			INSERT INTO orders (id, user_id, status, currency, total)
			SELECT (left(uuid_at($1)::text, 15) || substr(gen_random_uuid()::text, 16))::uuid, 'u', 'confirmed', 'EUR', 1
			FROM generate_series(1, 2000)
			RETURNING id
		), took AS (
			SELECT id, interval '1 millisecond' * (1 + 20000 * (row_number() OVER () / 2000.0) ^ 2) AS took FROM placed
		), stock AS (
			INSERT INTO stock_movements (order_id, sku, kind, quantity, at) SELECT id, 'tea', 'deduct', 1, $1 + took / 7 FROM took
		), message AS (
			INSERT INTO notifications (order_id, template, user_id, body, at) SELECT id, 'created', 'u', 'x', $1 + took / 9 FROM took
		)
		INSERT INTO points_entries (order_id, kind, user_id, points, at) SELECT id, 'earn', 'u', 10, $1 + took FROM took`, at)

	held := b.order(at, "confirmed", time.Millisecond, 3*time.Hour, time.Millisecond) // its points wait for the payment
	b.exec(`INSERT INTO payments (order_id, reference) VALUES ($1, 'p-1')`, held)
	b.update(time.Hour)

	got, err := stats.Latencies(t.Context(), b.pool, at, b.now.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	steps := make([]string, 0, len(got))

	for _, l := range got {
		steps = append(steps, l.Step)

		source := map[string]string{
			"inventory": "stock_movements", "notification": "notifications", "points": "points_entries", stats.Settle: "points_entries",
		}[l.Step]

		var exact [3]time.Duration

		if err := b.pool.QueryRow(t.Context(), `
			SELECT
				percentile_disc(0.50) WITHIN GROUP (ORDER BY at - $1::timestamptz),
				percentile_disc(0.90) WITHIN GROUP (ORDER BY at - $1::timestamptz),
				percentile_disc(0.99) WITHIN GROUP (ORDER BY at - $1::timestamptz)
			FROM `+source+`
			WHERE order_id <> $2 OR $3`, at, held, l.Step != "points" && l.Step != stats.Settle).Scan(&exact[0], &exact[1], &exact[2]); err != nil {
			t.Fatal(err)
		}

		for i, estimated := range []time.Duration{l.P50, l.P90, l.P99} {
			if bucketOf(estimated-1) != bucketOf(exact[i]) && bucketOf(estimated) != bucketOf(exact[i]) {
				t.Errorf("%s: quantile %d is %s, exactly %s", l.Step, i, estimated, exact[i])
			}
		}

		want := int64(2000)
		if source != "points_entries" {
			want++
		}

		if l.Orders != want {
			t.Errorf("%s: %d orders, want %d", l.Step, l.Orders, want)
		}
	}

	if want := []string{"inventory", "notification", "points", stats.Settle}; !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}

	b.checkReport(got)
}

func bucketOf(d time.Duration) int {
	for i, bound := range stats.Bounds() {
		if d < bound {
			return i
		}
	}

	return len(stats.Bounds())
}

func TestRefusalsAreAddedUp(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	now := func() time.Time { return b.now.Add(30 * time.Second) }

	for range 2 { // two processes
		r := stats.NewRefusals(b.pool, slog.New(slog.DiscardHandler), now)
		r.Add("overloaded")
		r.Add("overloaded")
		r.Add("in-flight-limit")
		r.Close()
		r.Close() // nothing is left
	}

	// While the database is away the counts wait.
	b.exec(`ALTER TABLE stats_refusals RENAME TO away`)

	r := stats.NewRefusals(b.pool, slog.New(slog.DiscardHandler), now)
	r.Add("overloaded")
	r.Close()
	b.exec(`ALTER TABLE away RENAME TO stats_refusals`)
	r.Close()

	if got := b.minutes(b.now, b.now.Add(time.Minute), time.Minute); len(got) != 1 || got[0].Refused != 7 {
		t.Errorf("got %+v", got)
	}

	causes, err := stats.RefusedByCause(t.Context(), b.pool, b.now, b.now.Add(time.Minute))
	if err != nil || causes["overloaded"] != 5 || causes["in-flight-limit"] != 2 {
		t.Errorf("causes %v, %v", causes, err)
	}
}

func TestPruneKeepsFiveWeeks(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	b.exec(`INSERT INTO stats_minutes SELECT now() - interval '36 days' + n * interval '1 minute', 1, 1, 0, 0, 0, 0 FROM generate_series(1, 3000) AS n`)
	b.exec(`INSERT INTO stats_latencies SELECT minute, 'points', '{1}' FROM stats_minutes`)
	b.exec(`INSERT INTO stats_refusals SELECT minute, 'overloaded', 1 FROM stats_minutes`)

	for n := int64(1000); n == 1000; {
		if err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
			n, err = stats.Prune(t.Context(), tx, 1000)

			return err
		}); err != nil {
			t.Fatal(err)
		}
	}

	for _, table := range []string{"stats_minutes", "stats_latencies", "stats_refusals"} {
		if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM `+table+` WHERE minute > now() - interval '35 days'`); n < 1559 || n > 1561 {
			t.Errorf("%s: %d minutes are kept", table, n)
		}

		if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM `+table+` WHERE minute < now() - interval '35 days'`); n != 0 {
			t.Errorf("%s: %d old minutes are left", table, n)
		}
	}
}
