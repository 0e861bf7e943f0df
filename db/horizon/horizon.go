// Package horizon finds what keeps Postgres from removing dead rows. As long as a transaction
// may still see them, each read of the queue's head passes over all jobs that were worked since.
package horizon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

const (
	// oldAfter is the age from which a snapshot is old. Our transactions take milliseconds, and
	// 10 s at most. In a minute with 300 jobs a second, a fetch comes to read 1,500 buffers.
	oldAfter = time.Minute

	// minTransactions are as many as leave few dead rows. A long transaction that takes a new
	// snapshot for each statement is thus not taken for an old one.
	minTransactions = 1_000

	// oldTransactions make a snapshot old whose beginning is not known.
	oldTransactions = 20_000

	lookEvery = 5 * time.Second
)

// A Holder keeps dead rows from being removed: view snapshot_holders.
type Holder struct {
	Kind         string // session, prepared transaction, replication slot or standby
	Name         string // of the prepared transaction or the slot
	PID          int    // of the session; 0 for none
	Application  string
	Role         string
	State        string     // of the session; empty if this role may not see it
	Since        *time.Time // when its transaction began; nil if that is not known
	Transactions int64      // that have begun since
}

// Old lists the holders of old snapshots, the oldest first. Other roles' sessions have a state and
// a beginning only if the own role has the privileges of pg_read_all_stats.
func Old(ctx context.Context, q db.Querier) ([]Holder, error) {
	rows, err := q.Query(ctx, `
		SELECT
			kind, coalesce(name, '') AS name, coalesce(pid, 0) AS pid, coalesce(application, '') AS application,
			coalesce(role, '') AS role, coalesce(state, '') AS state, since, transactions
		FROM snapshot_holders
		WHERE since < clock_timestamp() - $1::interval AND transactions >= $2
			OR since IS NULL AND transactions >= $3
		ORDER BY transactions DESC, kind, pid, name`, oldAfter, minTransactions, oldTransactions)
	if err != nil {
		return nil, fmt.Errorf("look for old snapshots: %w", err)
	}

	holders, err := pgx.CollectRows(rows, pgx.RowToStructByName[Holder])
	if err != nil {
		return nil, fmt.Errorf("look for old snapshots: %w", err)
	}

	return holders, nil
}

// Watch logs which old snapshots there are: at once, and when one begins or ends. It runs until
// ctx ends.
func Watch(ctx context.Context, log *slog.Logger, pool *pgxpool.Pool) {
	known := holders{}

	for {
		reading, cancel := context.WithTimeout(ctx, lookEvery)

		// If the database is away, other parts of the program say so.
		if old, err := Old(reading, pool); err == nil {
			known.log(ctx, log, old)
		}

		cancel()

		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// holders are those that were logged.
type holders map[identity]Holder

type identity struct {
	kind, name string
	pid        int
	since      int64
}

func (h Holder) identity() identity {
	id := identity{kind: h.Kind, name: h.Name, pid: h.PID}
	if h.Since != nil {
		id.since = h.Since.UnixMicro()
	}

	return id
}

// log logs what has changed.
func (k holders) log(ctx context.Context, log *slog.Logger, old []Holder) {
	current := holders{}

	for _, h := range old {
		id := h.identity()
		current[id] = h

		if _, logged := k[id]; !logged {
			k[id] = h
			log.WarnContext(ctx, "an old snapshot keeps dead rows, so the queues become slower; end its transaction", h.attributes()...)
		}
	}

	for id, h := range k {
		if _, lasts := current[id]; !lasts {
			delete(k, id)
			log.InfoContext(ctx, "the old snapshot has ended", h.attributes()...)
		}
	}
}

// attributes are what is known of the holder.
func (h Holder) attributes() []any {
	list := []any{"kind", h.Kind}

	for _, a := range []struct{ key, value string }{
		{"name", h.Name}, {"application", h.Application}, {"role", h.Role}, {"state", h.State},
	} {
		if a.value != "" {
			list = append(list, a.key, a.value)
		}
	}

	if h.PID != 0 {
		list = append(list, "pid", h.PID)
	}

	if h.Since != nil {
		list = append(list, "since", h.Since.UTC())
	}

	return append(list, "transactions", h.Transactions)
}
