// Package server runs what is measured: a Postgres server of its own, and real
// serve and work processes.
package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/database"
	"orders/db/local"
	"orders/db/schema"
)

// settings are those of every run, of the baselines, too. fsync, synchronous_commit
// and full_page_writes have Postgres' default: on.
var settings = map[string]string{
	"checkpoint_timeout":     "15min",
	"max_connections":        "300", // four serve and four work processes, with 20 each
	"max_wal_size":           "4GB",
	"shared_buffers":         "512MB",
	"track_commit_timestamp": "on", // the clock that orders are settled by
}

// Template is the migrated database that the others are copies of.
const Template = "bench_template"

// Postgres is the server that everything is measured on.
type Postgres struct {
	*local.Server

	Admin   *pgxpool.Pool
	Version string

	pid int
}

// StartPostgres starts a durable server in dir and migrates the template. The
// settings in more are added to those of every run.
func StartPostgres(ctx context.Context, dir, programs string, more map[string]string) (*Postgres, error) {
	options := local.Options{Dir: dir, Durable: true, Settings: maps.Clone(settings), Programs: programs}
	maps.Copy(options.Settings, more)

	started, err := local.Start(ctx, options)
	if err != nil {
		return nil, err
	}

	p := &Postgres{Server: started}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
	}

	return p, nil
}

func (p *Postgres) open(ctx context.Context) (err error) {
	if p.Admin, err = pgxpool.New(ctx, p.URL("orders")); err != nil {
		return fmt.Errorf("open pool: %w", err)
	}

	if err := database.Exec(ctx, p.Admin, `CREATE DATABASE `+Template); err != nil {
		return err
	}

	err = p.Admin.QueryRow(ctx, `
		SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int, current_setting('server_version')`).Scan(&p.pid, &p.Version)
	if err != nil {
		return fmt.Errorf("describe server: %w", err)
	}

	return schema.Up(ctx, p.URL(Template))
}

// Close ends the server.
func (p *Postgres) Close(ctx context.Context) error {
	p.Admin.Close()
	return p.Stop(ctx)
}

// Counts returns Postgres' statistics of a database, by figure, when all sessions have
// ended: a session reports what it did now and then, and at its end.
func (p *Postgres) Counts(ctx context.Context, name string) (map[string]float64, error) {
	err := database.Await(ctx, 10*time.Millisecond, p.Admin, `
		SELECT count(*) = 0
		FROM pg_stat_activity
		WHERE datname = $1
			AND backend_type = 'client backend'`, name)
	if err != nil {
		return nil, err
	}

	var transactions, deadlocks float64

	err = p.Admin.QueryRow(ctx, `
		SELECT xact_commit, deadlocks
		FROM pg_stat_database
		WHERE datname = $1`, name).Scan(&transactions, &deadlocks)
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}

	return map[string]float64{"transactions_per_1000": transactions, "deadlocks": deadlocks}, nil
}
