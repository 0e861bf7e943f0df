package stats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/pipeline"
)

const (
	flushEvery   = 5 * time.Second
	flushTimeout = 5 * time.Second
	maxCells     = 10_000 // minutes and causes that wait for a database that is away; a day of several causes
)

// Refusals counts the requests that this process refuses for overload, and adds them to
// stats_refusals every few seconds: a refusal itself costs no round trip. Requests that are
// refused in the last seconds before a process is killed are not counted.
type Refusals struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	counts map[cell]int64
	failed bool // the last flush
}

type cell struct {
	minute time.Time
	cause  string
}

// NewRefusals makes a count. now is the database's time.
func NewRefusals(pool *pgxpool.Pool, log *slog.Logger, now func() time.Time) *Refusals {
	return &Refusals{pool: pool, log: log, now: now, counts: map[cell]int64{}}
}

// Add counts a refusal. It may be called on a nil count, which keeps nothing.
func (r *Refusals) Add(cause string) {
	if r == nil {
		return
	}

	at := cell{r.now().UTC().Truncate(time.Minute), cause}

	r.mu.Lock()
	defer r.mu.Unlock()

	if _, known := r.counts[at]; known || len(r.counts) < maxCells {
		r.counts[at]++
	}
}

// Run flushes until ctx ends.
func (r *Refusals) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.flush(ctx)
		}
	}
}

// Close writes what is left, when no more requests come.
func (r *Refusals) Close() { r.flush(context.Background()) }

// flush writes the counts. If that fails, they wait for the next flush. If the outcome of the
// commit is unknown, they are taken as written: they are statistics.
func (r *Refusals) flush(ctx context.Context) {
	r.mu.Lock()
	counts := r.counts
	r.counts = map[cell]int64{}
	r.mu.Unlock()

	if len(counts) == 0 {
		return
	}

	bounded, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()

	err := db.InTx(bounded, r.pool, func(tx pgx.Tx) error { return addRefusals(bounded, tx, counts) })

	r.mu.Lock()
	defer r.mu.Unlock()

	if err != nil && !errors.Is(err, db.ErrCommitUnknown) {
		for at, n := range counts {
			r.counts[at] += n
		}
	}

	if err != nil && !r.failed && ctx.Err() == nil {
		r.log.WarnContext(ctx, "refusals are not counted in the database", "error", err)
	}

	r.failed = err != nil
}

func addRefusals(ctx context.Context, tx pgx.Tx, counts map[cell]int64) error {
	minutes, causes, refused := make([]time.Time, 0, len(counts)), make([]string, 0, len(counts)), make([]int64, 0, len(counts))

	for at, n := range counts {
		minutes, causes, refused = append(minutes, at.minute), append(causes, at.cause), append(refused, n)
	}

	err := pipeline.Exec(ctx, tx, "count refusals", `
		INSERT INTO stats_refusals AS stats (minute, cause, refused)
		SELECT minute, cause, refused
		FROM unnest($1::timestamptz[], $2::text[], $3::bigint[]) AS counted (minute, cause, refused)
		ORDER BY minute, cause
		ON CONFLICT (minute, cause) DO UPDATE
		SET refused = stats.refused + EXCLUDED.refused`, minutes, causes, refused)
	if err != nil {
		return fmt.Errorf("count refusals: %w", err)
	}

	return nil
}
