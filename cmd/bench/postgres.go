package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/local"
)

// serverSettings are those of every run, baselines included. fsync,
// synchronous_commit and full_page_writes are on, as Postgres has them.
var serverSettings = map[string]string{
	"checkpoint_timeout":     "15min",
	"max_connections":        "300", // four serve and four work processes, with 20 each
	"max_wal_size":           "4GB",
	"shared_buffers":         "512MB",
	"track_commit_timestamp": "on", // the clock that orders are settled by
}

// template is the migrated database that each run's is copied from.
const template = "bench_template"

// postgres is the server that everything is measured on.
type postgres struct {
	*local.Server

	admin      *pgxpool.Pool
	pid        int
	settings   map[string]string
	statements bool // pg_stat_statements is there
}

// startPostgres starts a durable server in dir and migrates the template.
func startPostgres(ctx context.Context, dir, programs string) (_ *postgres, err error) {
	p := &postgres{settings: maps.Clone(serverSettings), statements: true}
	p.settings["shared_preload_libraries"] = "pg_stat_statements"

	options := local.Options{Dir: dir, Durable: true, Settings: p.settings, Programs: programs, Log: slog.New(slog.DiscardHandler)}

	if p.Server, err = local.Start(ctx, options); err != nil {
		// Not every installation has the library: its figure is left out then.
		delete(p.settings, "shared_preload_libraries")
		p.statements = false

		var again error
		if p.Server, again = local.Start(ctx, options); again != nil {
			return nil, errors.Join(err, again)
		}
	}

	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
	}

	return p, nil
}

func (p *postgres) open(ctx context.Context) error {
	file, err := os.ReadFile(filepath.Join(p.Dir(), "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find the postmaster: %w", err)
	}

	first, _, _ := strings.Cut(string(file), "\n")
	if p.pid, err = strconv.Atoi(first); err != nil {
		return fmt.Errorf("find the postmaster: %w", err)
	}

	if p.admin, err = pgxpool.New(ctx, p.URL("orders")); err != nil {
		return fmt.Errorf("open pool: %w", err)
	}

	if p.statements {
		if _, err := p.admin.Exec(ctx, `CREATE EXTENSION pg_stat_statements`); err != nil {
			return fmt.Errorf("create pg_stat_statements: %w", err)
		}
	}

	if _, err := p.admin.Exec(ctx, `CREATE DATABASE `+template); err != nil {
		return fmt.Errorf("create template: %w", err)
	}

	return db.MigrateUp(ctx, p.URL(template))
}

// stop ends the server.
func (p *postgres) stop(ctx context.Context) error {
	p.admin.Close()

	return p.Stop(ctx)
}

// create makes a run's database.
func (p *postgres) create(ctx context.Context, name string) error {
	_, err := p.admin.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()+` TEMPLATE `+template)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}

	return nil
}

// drop removes a run's database.
func (p *postgres) drop(ctx context.Context, name string) error {
	if _, err := p.admin.Exec(ctx, `DROP DATABASE `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("drop database: %w", err)
	}

	return nil
}

// version is the server's.
func (p *postgres) version(ctx context.Context) (version string, err error) {
	if err = p.admin.QueryRow(ctx, `SHOW server_version`).Scan(&version); err != nil {
		return "", fmt.Errorf("read version: %w", err)
	}

	return version, nil
}
