// Package login stores the sessions of browsers that have logged in, for package scs.
package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Idle is after which time without a request a session ends.
const Idle = 2 * time.Hour

// A Store stores sessions. It counts idle time by itself: with the IdleTimeout of scs each
// request would write the row, and a request that runs during a logout would write it again.
type Store struct{ pool *pgxpool.Pool }

// NewStore makes a store.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// FindCtx returns the data of a session that has not ended.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	var stale bool

	err = s.pool.QueryRow(ctx, `
		SELECT data, seen_at < now() - interval '1 minute'
		FROM login_sessions
		WHERE token = $1
			AND ends_at > now()
			AND seen_at > now() - $2::interval`, token, Idle).Scan(&data, &stale)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("find login session: %w", err)
	case !stale:
		return data, true, nil
	}

	_, err = s.pool.Exec(ctx, `
		UPDATE login_sessions
		SET seen_at = now()
		WHERE token = $1`, token)
	if err != nil {
		return nil, false, fmt.Errorf("record use of login session: %w", err)
	}

	return data, true, nil
}

// CommitCtx writes a session, and deletes those that have ended.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, endsAt time.Time) error {
	_, err := s.pool.Exec(ctx, `
		WITH ended AS (
			DELETE FROM login_sessions
			WHERE ends_at < now()
		)
		INSERT INTO login_sessions (token, data, ends_at)
		VALUES ($1, $2, $3)
		ON CONFLICT (token) DO UPDATE
		SET data = excluded.data,
			ends_at = excluded.ends_at,
			seen_at = now()`, token, data, endsAt)
	if err != nil {
		return fmt.Errorf("write login session: %w", err)
	}

	return nil
}

// DeleteCtx ends a session.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.pool.Exec(ctx, `
		DELETE FROM login_sessions
		WHERE token = $1`, token)
	if err != nil {
		return fmt.Errorf("end login session: %w", err)
	}

	return nil
}

// Find is there for scs, which calls the functions with a context.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is there for scs.
func (s *Store) Commit(token string, data []byte, endsAt time.Time) error {
	return s.CommitCtx(context.Background(), token, data, endsAt)
}

// Delete is there for scs.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
