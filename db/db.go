// Package db holds the pool, transactions, errors and the SQL of the order tables, a
// file for each table. Each package below it holds the SQL of one subject. Only
// migrations and the benchmark have other SQL.
//
// Functions take the transaction in which they run and never open one. The outermost
// code (an API operation, a handler, a command, group commit) opens it. Each function
// works on a slice with one statement for each table, in the lock order of the system:
// orders by id, then products by sku, then ledgers by key.
package db

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"orders/db/session"
)

const (
	connectTimeout = 5 * time.Second
	maxConnections = 20
)

// Querier is what a read needs: a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Open makes a pool for url. A pool_max_conns in the url overrides the default of
// 20. Open fails on an invalid url, not on a server that is down: connections are
// made when they are needed.
func Open(ctx context.Context, url string, changes ...func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := Config(url)
	if err != nil {
		return nil, err
	}

	for _, change := range changes {
		change(config)
	}

	var opened atomic.Pointer[pgxpool.Pool]

	// A server that refuses to write has been demoted: all connections to it are useless, not this one alone.
	onError := config.ConnConfig.OnPgError
	config.ConnConfig.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if err.Code != readOnlyTransaction {
			return onError(conn, err)
		}

		if pool := opened.Load(); pool != nil {
			pool.Reset()
		}

		return false
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}

	opened.Store(pool)

	return pool, nil
}

// Config is the pool's configuration for url, for callers that want to change it.
func Config(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}

	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConnections
	}

	config.ConnConfig.ConnectTimeout = connectTimeout

	params := session.Settings()
	params["application_name"], params["timezone"] = sessions, "UTC" // which poolers pass on

	for name, value := range params {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}

	config.BeforeConnect = session.Adapt(strings.Contains(url, "default_query_exec_mode"))

	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // pgx would write and read an id as text, which costs more than the statement

		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}, // pgx would scan into the machine's zone
		})

		return nil
	}

	return config, nil
}

// Now reads the transaction's time, from the clock that all processes share.
func Now(ctx context.Context, tx pgx.Tx) (now time.Time, err error) {
	if err = tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return now, fmt.Errorf("read the clock: %w", err)
	}

	return now, nil
}
