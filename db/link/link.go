// Package link finds out what the way from the program to its database lacks.
package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/session"
)

// A Link says what the way to the database lacks. The zero value lacks nothing.
type Link struct {
	Direct   *pgxpool.Pool // has sessions that last, for LISTEN and locks; nil if the pool itself has them
	PollOnly bool          // nothing is heard by LISTEN: a pooler stands between, or the database has no NOTIFY
}

// Sessions is the pool for sessions that last.
func (l Link) Sessions(pool *pgxpool.Pool) *pgxpool.Pool { return cmp.Or(l.Direct, pool) }

// Open finds out what the way to the database lacks, and logs what that costs. directURL is
// the address of Postgres itself; empty if there is no other way than the pool's.
func Open(ctx context.Context, log *slog.Logger, pool *pgxpool.Pool, directURL string) (l Link, err error) {
	switch sql, err := session.LostSettings(ctx, pool); {
	case err != nil:
		return l, err //nolint:wrapcheck // it says what was done
	case sql != "":
		log.WarnContext(ctx, "the pooler drops settings of sessions: statements have no time limit, and plans may be slow; "+
			"give them to the role, and RECONNECT the pooler", "sql", sql)
	}

	if directURL != "" {
		if l.Direct, err = db.Open(ctx, directURL); err != nil {
			return l, err
		}
	}

	heard, err := hears(ctx, l.Sessions(pool).Config())
	if err != nil {
		l.Close()

		return l, err
	}

	if l.PollOnly = !heard; l.PollOnly {
		log.WarnContext(ctx, "LISTEN does not work: the database lacks it, or a pooler stands between and ORDERS_DIRECT_URL is not set; "+
			"jobs start up to 250 ms later, event streams tell of a change up to 2 s later")
	}

	return l, nil
}

// Close closes the direct pool.
func (l Link) Close() {
	if l.Direct != nil {
		l.Direct.Close()
	}
}

// hears tells whether a session that listens receives a notification.
func hears(ctx context.Context, config *pgxpool.Config) (bool, error) {
	const patience = 5 * time.Second // a database that ignores LISTEN takes that long to find

	conn, err := session.Connect(ctx, config)
	if err != nil {
		return false, fmt.Errorf("connect to listen: %w", err)
	}
	defer db.CloseConn(ctx, conn)

	if pooled, err := session.Pooled(ctx, conn); err != nil || pooled {
		return false, err
	}

	for _, sql := range []string{`LISTEN orders_link`, `SELECT pg_notify('orders_link', '')`} {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeExec)

		if session.Lacks(err) {
			return false, nil
		}

		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code != "" {
			return true, nil // it is there, but not now: on a standby
		}

		if err != nil {
			return false, fmt.Errorf("listen: %w", err)
		}
	}

	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	_, err = conn.WaitForNotification(wait)

	return err == nil, ctx.Err() //nolint:wrapcheck // the caller's
}
