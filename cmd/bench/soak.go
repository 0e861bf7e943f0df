package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	soakShare = 0.8 // of capacity
	soakEvery = 10 * time.Second
	soakGrows = 1.5 // times the size of the middle third that the last may have
)

// A sample is how the service and its queue stand at a moment of a soak.
type sample struct {
	At       float64 `json:"at_s"`
	Placed   int64   `json:"placed"`
	Lag      float64 `json:"lag_s"` // age of the oldest job that waits
	Jobs     int64   `json:"jobs"`  // rows of river_job, completed ones included
	Size     int64   `json:"size_bytes"`
	Dead     int64   `json:"dead_tuples"`
	ServeRSS float64 `json:"serve_rss_mib"`
	WorkRSS  float64 `json:"work_rss_mib"`
}

// soakScenario is as in production: the cleaner, vacuum and checkpoints run.
func (b *bench) soakScenario() scenario {
	return scenario{
		name: "soak", what: fmt.Sprintf("open model at 80 %% of capacity for %s", b.Soak),
		work: spread, rate: soakShare, duration: b.Soak, samples: true, keep: true, once: true,
	}
}

// sampleQueue takes samples until ctx ends.
func (r *measured) sampleQueue(ctx context.Context, l *load) error {
	pool, err := pgxpool.New(ctx, r.url)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	for start := time.Now(); pause(ctx, soakEvery); {
		s := sample{At: time.Since(start).Seconds(), Placed: l.placed.Load()}

		if err := r.sample(ctx, pool, &s); err != nil {
			if errors.Is(err, context.Canceled) {
				return nil
			}

			return err
		}

		r.report.Soak = append(r.report.Soak, s)
		r.progress.donef("%s  %4.0f s  placed %s  lag %.1f s  river_job %s rows, %.0f MiB, %s dead  RSS %.0f and %.0f MiB",
			r.title, s.At, thousands(s.Placed), s.Lag, thousands(s.Jobs), mebibytes(s.Size), thousands(s.Dead), s.ServeRSS, s.WorkRSS)
	}

	return nil
}

func (r *measured) sample(ctx context.Context, pool *pgxpool.Pool, s *sample) error {
	err := pool.QueryRow(ctx, `
		SELECT
			coalesce(extract(epoch FROM now() - (
				SELECT min(head.scheduled_at)
				FROM unnest('{inventory,notification,points}'::text[]) AS q (queue)
				CROSS JOIN LATERAL (
					SELECT scheduled_at
					FROM river_job
					WHERE state = 'available'
						AND river_job.queue = q.queue
					ORDER BY priority, scheduled_at, id
					LIMIT 1
				) AS head
			)), 0)::float8,
			pg_stat_get_live_tuples('river_job'::regclass),
			pg_total_relation_size('river_job'),
			pg_stat_get_dead_tuples('river_job'::regclass)`).Scan(&s.Lag, &s.Jobs, &s.Size, &s.Dead)
	if err != nil {
		return fmt.Errorf("sample the queue: %w", err)
	}

	for role, into := range map[*float64][]*process{&s.ServeRSS: r.service.serve, &s.WorkRSS: r.service.work} {
		size, err := memory(into, "VmRSS")
		if err != nil {
			return err
		}

		*role = mebibytes(size)
	}

	return nil
}

// bounded tells whether the queue's table stopped growing: the largest of the
// last third against the largest of the middle one.
func bounded(samples []sample) (times float64, measured bool) {
	third := len(samples) / 3
	if third == 0 {
		return 0, false
	}

	var middle, last int64

	for i, s := range samples[third:] {
		if i < third {
			middle = max(middle, s.Size)
		} else {
			last = max(last, s.Size)
		}
	}

	return float64(last) / float64(middle), true
}
