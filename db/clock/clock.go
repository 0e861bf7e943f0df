// Package clock tells the database's time. Every moment that is compared with the
// database's comes from there: the clocks of machines differ, and jobs, deadlines and sweeps
// are due by the database's.
//
// SQL uses now(). A [Clock] is for the rest: the order ids, whose time sweeps and audits
// read, and River, which computes when a retry or a periodic job is due.
package clock

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"orders/db"
)

// maxSkew is how far this machine's clock may be from the database's without a warning.
const maxSkew = time.Second

const measureTimeout = 5 * time.Second

// A Clock continues the database's time on this process's monotonic clock, so a change of
// this machine's time does not move it. Until the first measurement it is this machine's
// clock.
type Clock struct {
	log *slog.Logger

	mu     sync.Mutex
	at     time.Time // of the last correction, by this process
	base   time.Time // the database's time then; zero until the first measurement
	warned bool
}

// New makes a clock that has not measured yet.
func New(log *slog.Logger) *Clock { return &Clock{log: log} }

// Now is the database's time, as far as this process knows it: the error is at most half a
// round trip.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.now(time.Now())
}

// NowOrNil is part of River's TimeGenerator. Nil lets statements use now().
func (*Clock) NowOrNil() *time.Time { return nil }

func (c *Clock) now(local time.Time) time.Time {
	if c.base.IsZero() {
		return local
	}

	return c.base.Add(local.Sub(c.at))
}

// Skew is how far this machine's clock is ahead of the database's.
func (c *Clock) Skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.skew()
}

func (c *Clock) skew() time.Duration {
	local := time.Now()

	return local.Round(0).Sub(c.now(local).Round(0)) // Round(0) leaves out the monotonic clock
}

// Warning says in a sentence that the clocks differ; empty if they do not.
func (c *Clock) Warning() string { return Warning("this machine", c.Skew()) }

// Warning says in a sentence that the clock of a machine differs from the database's; empty if
// it does not.
func Warning(machine string, skew time.Duration) string {
	if skew.Abs() <= maxSkew {
		return ""
	}

	where := "ahead of"
	if skew < 0 {
		where = "behind"
	}

	return fmt.Sprintf("The clock of %s is %.3g s %s the database's.", machine, skew.Abs().Seconds(), where)
}

// NewID makes the id of a new order: a UUIDv7 of the database's time.
func (c *Clock) NewID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("make id: %w", err)
	}

	const bytes, bits = 6, 8 // the milliseconds since 1970, big-endian

	for ms, i := c.Now().UnixMilli(), bytes-1; i >= 0; i-- {
		id[i] = byte(ms)
		ms >>= bits
	}

	return id, nil
}

// Measure reads the database's clock. The database read it between the question and the
// answer. If this clock says so, too, it stays as it is; else it is corrected by as little
// as will do. So a slow answer does not spoil it.
func (c *Clock) Measure(ctx context.Context, q db.Querier) error {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()

	var read time.Time

	asked := time.Now()

	if err := q.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&read); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}

	c.correct(ctx, asked, time.Now(), read)

	return nil
}

func (c *Clock) correct(ctx context.Context, asked, answered, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()

	switch {
	case c.base.IsZero():
		c.at, c.base = asked.Add(answered.Sub(asked)/2), read //nolint:mnd // halfway
	case read.Before(c.now(asked)):
		c.at, c.base = asked, read
	case read.After(c.now(answered)):
		c.at, c.base = answered, read
	}

	skew := c.skew()
	if differs := skew.Abs() > maxSkew; differs != c.warned {
		c.warned = differs

		if differs {
			c.log.WarnContext(ctx, "the clock of this machine differs from the database's", "ahead", skew.Round(time.Millisecond))
		} else {
			c.log.InfoContext(ctx, "the clock of this machine agrees with the database's again")
		}
	}
}

// Follow measures every few seconds until ctx ends. A measurement that fails changes
// nothing.
func (c *Clock) Follow(ctx context.Context, q db.Querier) {
	const every = 2 * time.Second

	tick := time.NewTicker(every)
	defer tick.Stop()

	for {
		_ = c.Measure(ctx, q)

		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
