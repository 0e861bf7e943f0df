package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Usage is what has been used up to a moment.
type usage struct {
	postgres, serve, work, load time.Duration // processor time
	wal                         int64         // bytes
}

func (b *bench) usage(ctx context.Context, s *service) (u usage, err error) {
	if u.postgres, err = cpuOfFamily(b.postgres.pid); err != nil {
		return u, err
	}

	if u.serve, err = cpu(s.serve); err != nil {
		return u, err
	}

	if u.work, err = cpu(s.work); err != nil {
		return u, err
	}

	if u.load, err = cpuOf(os.Getpid()); err != nil {
		return u, err
	}

	if err = b.postgres.admin.QueryRow(ctx, `SELECT pg_current_wal_lsn() - '0/0'::pg_lsn`).Scan(&u.wal); err != nil {
		return u, fmt.Errorf("read WAL position: %w", err)
	}

	return u, nil
}

// per1000 adds what was used since earlier to the figures: processor time for
// 1,000 orders, WAL for one.
func (u usage) per1000(f figures, earlier usage, orders int) {
	if orders == 0 {
		return
	}

	thousands := float64(orders) / 1000
	f["postgres_cpu_s"] = (u.postgres - earlier.postgres).Seconds() / thousands
	f["serve_cpu_s"] = (u.serve - earlier.serve).Seconds() / thousands
	f["work_cpu_s"] = (u.work - earlier.work).Seconds() / thousands
	f["load_cpu_s"] = (u.load - earlier.load).Seconds() / thousands
	f["wal_kb_per_order"] = float64(u.wal-earlier.wal) / 1000 / float64(orders)
}

// memoryFigures adds what the processes have resident at a moment, and have had at most.
func memoryFigures(f figures, moment string, s *service) error {
	for name, role := range map[string][]*process{"serve": s.serve, "work": s.work} {
		if len(role) == 0 {
			continue // textbook is one process that serves and works
		}

		for what, key := range map[string]string{"VmHWM": "peak", "VmRSS": moment} {
			size, err := memory(role, what)
			if err != nil {
				return err
			}

			f[name+"_rss_"+key+"_mib"] = mebibytes(size)
		}
	}

	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// Counts are what Postgres has counted of a database.
type counts struct {
	transactions, deadlocks, statements int64
}

// counts are complete when the sessions have ended: each tells what it did now
// and then, and when it ends.
func (p *postgres) counts(ctx context.Context, database string) (c counts, err error) {
	err = p.admin.QueryRow(ctx, `
		SELECT xact_commit, deadlocks
		FROM pg_stat_database
		WHERE datname = $1`, database).Scan(&c.transactions, &c.deadlocks)
	if err != nil {
		return c, fmt.Errorf("read transactions: %w", err)
	}

	if !p.statements {
		return c, nil
	}

	err = p.admin.QueryRow(ctx, `
		SELECT coalesce(sum(calls), 0)::bigint
		FROM pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1)`, database).Scan(&c.statements)
	if err != nil {
		return c, fmt.Errorf("read statements: %w", err)
	}

	return c, nil
}

// awaitSessions returns when nobody is connected to the database any more.
func (p *postgres) awaitSessions(ctx context.Context, database string) error {
	for {
		var sessions int

		err := p.admin.QueryRow(ctx, `
			SELECT count(*)
			FROM pg_stat_activity
			WHERE datname = $1
				AND backend_type = 'client backend'`, database).Scan(&sessions)
		if err != nil {
			return fmt.Errorf("wait for sessions to end: %w", err)
		}

		if sessions == 0 {
			return nil
		}

		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("wait for sessions to end: %w", context.Cause(ctx))
		}
	}
}
