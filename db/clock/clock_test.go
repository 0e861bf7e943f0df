package clock_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/clock"
	"orders/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m, nil) }

// answer is a database that says that it is a time, after a delay.
type answer struct {
	db.Querier

	ahead, delay time.Duration
}

func (a answer) QueryRow(context.Context, string, ...any) pgx.Row { return a }

func (a answer) Scan(to ...any) error {
	*to[0].(*time.Time) = time.Now().Add(a.ahead).Round(0)

	time.Sleep(a.delay)

	return nil
}

func TestTheClockIsTheDatabases(t *testing.T) {
	t.Parallel()

	pool, c := dbtest.Pool(t), clock.New(slog.New(slog.DiscardHandler))
	if err := c.Measure(t.Context(), pool); err != nil {
		t.Fatal(err)
	}

	var before, after time.Time

	if err := pool.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&before); err != nil {
		t.Fatal(err)
	}

	id, err := c.NewID()
	if err != nil {
		t.Fatal(err)
	}

	if err := pool.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&after); err != nil {
		t.Fatal(err)
	}

	sec, ns := id.Time().UnixTime()
	at := time.Unix(sec, ns)

	if at.Before(before.Add(-50*time.Millisecond)) || at.After(after.Add(50*time.Millisecond)) || id.Version() != 7 {
		t.Errorf("id %s is of %s, want it between %s and %s", id, at, before, after)
	}
}

// A slow answer proves little: it does not move a clock that was measured well. A wrong clock is corrected, and warned of.
func TestMeasurementsThatProveNothingChangeNothing(t *testing.T) {
	t.Parallel()

	const tolerance = 40 * time.Millisecond

	c := clock.New(slog.New(slog.DiscardHandler))

	for _, step := range []struct {
		says       answer
		want       time.Duration // how far this machine is behind
		isWarnedOf bool
	}{
		{answer{ahead: time.Minute}, time.Minute, true},
		{answer{ahead: time.Minute, delay: 300 * time.Millisecond}, time.Minute, true},
		{answer{ahead: -time.Minute, delay: 100 * time.Millisecond}, -time.Minute, true},
		{answer{ahead: -time.Minute}, -time.Minute, true},
		{answer{}, 0, false},
	} {
		if err := c.Measure(t.Context(), step.says); err != nil {
			t.Fatal(err)
		}

		if off := (c.Skew() + step.want).Abs(); off > tolerance {
			t.Errorf("after %+v: skew %s, want %s", step.says, c.Skew(), -step.want)
		}

		if warned := c.Warning() != ""; warned != step.isWarnedOf {
			t.Errorf("after %+v: warning %q", step.says, c.Warning())
		}
	}
}
