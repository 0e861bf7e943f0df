package event

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// A Horizon is the seq up to which the log is complete: every transaction that drew a number
// up to there has ended. It never goes back. The zero Horizon is ready, and safe for concurrent use.
//
// It is found without locks. A reading first takes the highest number that was drawn, and then an
// id for its own transaction. A transaction that drew a number had its id by then, and it is lower. So
// when all transactions with lower ids have ended, no row can appear up to that number any more.
// A snapshot's xmax would not do instead of the id: transactions above it may be running.
//
// A transaction that stays open in any database of the server, and has written something,
// keeps the horizon where it is. A standby cannot tell the highest number, so only the primary is asked.
type Horizon struct {
	mu      sync.Mutex
	seq     int64     // complete up to here
	pending candidate // to be complete next
}

// Numbered is the position behind all events that have a number, which it asks for now. Transactions that are open may have
// some of them.
func Numbered(ctx context.Context, tx pgx.Tx) (Position, error) {
	var seq int64

	if err := tx.QueryRow(ctx, drawnSeq).Scan(&seq); err != nil {
		return Start, fmt.Errorf("read the end of the log of events: %w", err)
	}

	return End(seq), nil
}

// drawnSeq is the highest number that was drawn.
const drawnSeq = `
	SELECT CASE WHEN is_called THEN last_value ELSE 0 END
	FROM events_seq_seq`

// A Batcher is a pool, a connection or a transaction.
type Batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// A Reading is how far the log is.
type Reading struct {
	Complete int64 // no row can appear up to this seq any more
	Drawn    int64 // the highest seq that was drawn; rows up to there may be missing still
}

// A candidate is a number that was the highest, and the id below which all transactions must end.
type candidate struct {
	seq int64
	xid int64 // 0 for no candidate
}

// Read asks how far the log is now. If numbers were drawn since the last reading, it takes an id of a
// transaction.
func (h *Horizon) Read(ctx context.Context, q Batcher) (Reading, error) {
	var drawn, oldest int64

	b := &pgx.Batch{}

	b.Queue(drawnSeq).QueryRow(func(row pgx.Row) error { return row.Scan(&drawn) })
	b.Queue(`
		SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).QueryRow(func(row pgx.Row) error { return row.Scan(&oldest) })

	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return Reading{}, fmt.Errorf("read the horizon of events: %w", err)
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	h.settle(oldest)

	if h.pending.xid == 0 && drawn > h.seq {
		if err := h.propose(ctx, q, drawn); err != nil {
			return Reading{}, err
		}
	}

	return Reading{Complete: h.seq, Drawn: drawn}, nil
}

// propose makes a number the candidate that was drawn before.
func (h *Horizon) propose(ctx context.Context, q Batcher, drawn int64) error {
	var id, oldest int64

	b := &pgx.Batch{}

	b.Queue(`
		SELECT pg_current_xact_id()::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&id, &oldest) })

	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("read the horizon of events: %w", err)
	}

	h.pending = candidate{seq: drawn, xid: id}
	h.settle(oldest)

	return nil
}

// settle takes the candidate if all transactions below its id have ended.
func (h *Horizon) settle(oldest int64) {
	if h.pending.xid != 0 && oldest >= h.pending.xid {
		h.seq, h.pending = max(h.seq, h.pending.seq), candidate{}
	}
}
