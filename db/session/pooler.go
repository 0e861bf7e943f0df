package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A route finds out, before the first connection of a pool, whether a pooler such as
// PgBouncer stands between. Each transaction through a pooler may run in another session:
//
//   - A prepared statement may be missing there, before PgBouncer 1.21. So statements are
//     described once, and parsed each time.
//   - PgBouncer refuses settings of the session that it does not know. So they are not sent.
//     [LostSettings] says how the role gets them.
type route struct {
	modeChosen bool // the url says how to send statements
	found      atomic.Pointer[finding]
}

type finding struct {
	pooled          bool
	refusesSettings bool
}

// Adapt is what a pool does before it makes a connection. modeChosen says that the url
// decides how statements are sent.
func Adapt(modeChosen bool) func(context.Context, *pgx.ConnConfig) error {
	return (&route{modeChosen: modeChosen}).adapt
}

// adapt changes the configuration of a connection that is about to be made.
func (r *route) adapt(ctx context.Context, config *pgx.ConnConfig) error {
	f := r.found.Load()

	if f == nil {
		var err error
		if f, err = look(ctx, config); err != nil {
			return err
		}

		r.found.Store(f)
	}

	if f.refusesSettings {
		dropSettings(config)
	}

	if f.pooled && !r.modeChosen {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}

	return nil
}

// look makes a connection to see what is at its other end.
func look(ctx context.Context, config *pgx.ConnConfig) (f *finding, err error) {
	f = &finding{}

	conn, err := pgx.ConnectConfig(ctx, config)
	if refusesSettings(err) {
		f.refusesSettings = true
		without := config.Copy()
		dropSettings(without)

		conn, err = pgx.ConnectConfig(ctx, without)
	}

	if err != nil {
		return nil, err //nolint:wrapcheck // as if the pool had connected
	}
	defer closeConn(ctx, conn)

	f.pooled, err = Pooled(ctx, conn)

	return f, err
}

func refusesSettings(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)

	return ok && refused.Code == pgerrcode.ProtocolViolation && strings.HasPrefix(refused.Message, "unsupported startup parameter")
}

// dropSettings leaves out the settings that are ours. Those of the url stay.
func dropSettings(config *pgx.ConnConfig) {
	for name, value := range Settings() {
		if config.RuntimeParams[name] == value {
			delete(config.RuntimeParams, name)
		}
	}
}

// Pooled tells whether a pooler stands between: it gives its clients process ids of its own.
func Pooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var backend uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&backend); err != nil {
		return false, fmt.Errorf("ask for the session's process: %w", err)
	}

	return backend != conn.PgConn().PID(), nil
}

// Connect makes a connection beside the pool, in the same way as the pool.
func Connect(ctx context.Context, config *pgxpool.Config) (*pgx.Conn, error) {
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err //nolint:wrapcheck // the caller's doing
		}
	}

	return pgx.ConnectConfig(ctx, config.ConnConfig) //nolint:wrapcheck // the caller's doing
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	const timeout = 5 * time.Second

	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()

	_ = conn.Close(cleanup) // it is closed even if the server does not hear of it
}

// LostSettings is the SQL that gives the role those settings of a session that a pooler has
// dropped; empty if it has dropped none.
func LostSettings(ctx context.Context, pool *pgxpool.Pool) (sql string, err error) {
	var names, values []string

	for name, value := range Settings() {
		if pool.Config().ConnConfig.RuntimeParams[name] == value {
			names, values = append(names, name), append(values, value)
		}
	}

	err = pool.QueryRow(ctx, `
		SELECT coalesce(
			string_agg(format('ALTER ROLE %I IN DATABASE %I SET %s = %L;', current_user, current_database(), name, wanted.value),
				' ' ORDER BY name), '')
		FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
		JOIN pg_settings AS s USING (name)
		WHERE s.setting <> wanted.value`, names, values).Scan(&sql)
	if err != nil {
		return "", fmt.Errorf("read the session's settings: %w", err)
	}

	return sql, nil
}
