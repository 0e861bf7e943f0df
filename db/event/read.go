package event

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A Position is a place in the log: behind an event, or at the start.
type Position struct {
	Seq int64
	N   int32 // which order of the row, from 1
}

// Start is the position before the first event that is kept.
var Start = Position{}

// End is the position behind all events up to a horizon.
func End(horizon int64) Position { return Position{Seq: horizon, N: perRow} }

// String is how clients hold a position: 1234-5.
func (p Position) String() string { return fmt.Sprintf("%d-%d", p.Seq, p.N) }

// ParsePosition reads what String wrote.
func ParsePosition(text string) (p Position, ok bool) {
	seq, n, ok := strings.Cut(text, "-")
	if !ok {
		return p, false
	}

	row, err := strconv.ParseUint(seq, 10, 63)
	if err != nil {
		return p, false
	}

	nth, err := strconv.ParseUint(n, 10, 31)
	if err != nil {
		return p, false
	}

	p = Position{Seq: int64(row), N: int32(nth)}

	return p, p.String() == text
}

// An Event is something that became true of an order or a product.
type Event struct {
	Position

	At         time.Time
	Type       Type
	OrderID    uuid.UUID // of an event of an order, else zero
	SKU        string    // of an event of a product, else empty
	Reference  string    // of the client's; empty for none
	ReasonCode string    // of an order that has ended; empty for none
}

// ID identifies what the event tells, whenever and wherever it is told again.
//
// It is true of an order once. The stock of a product becomes low again and again.
func (e Event) ID() string {
	if e.SKU != "" {
		return fmt.Sprintf("%s:%d:%s", e.Type, e.Seq, e.SKU)
	}

	return string(e.Type) + ":" + e.OrderID.String()
}

// Subject is the id of what the event is about: an order or a product.
func (e Event) Subject() string {
	if e.SKU != "" {
		return e.SKU
	}

	return e.OrderID.String()
}

// ErrPruned says that events behind a position have been deleted.
var ErrPruned = errors.New("events behind this position have been deleted")

// maxRows bounds the rows that one reading looks at, as most of them may have other types.
const maxRows = 1_000

// Read lists at most limit events behind a position and up to the horizon, of the types; none
// for all. next is the position to go on from: there may be more if it is before the horizon,
// also if there are no events in this page.
//
// Read fails with [ErrPruned] if events behind the position have been deleted, unless it is before the first.
func Read(
	ctx context.Context, q Batcher, after Position, horizon int64, types []Type, limit int,
) (events []Event, next Position, err error) {
	var pruned, last int64

	if len(types) == 0 {
		types = Types()
	}

	b := &pgx.Batch{}

	b.Queue(readEvents, after.Seq, after.N, horizon, types, limit, maxRows).Query(func(rows pgx.Rows) (err error) {
		events, err = pgx.CollectRows(rows, pgx.RowToStructByName[Event])

		return err
	})
	b.Queue(`
		SELECT CASE WHEN count(*) = $3 THEN max(seq) ELSE $2 END
		FROM (
			SELECT seq
			FROM events
			WHERE seq >= $1
				AND seq <= $2
			ORDER BY seq
			LIMIT $3
		) AS looked_at`, after.Seq, horizon, maxRows).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	b.Queue(`
		SELECT pruned
		FROM event_horizon`).QueryRow(func(row pgx.Row) error { return row.Scan(&pruned) })

	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}

	if after.Seq > 0 && after.Seq < pruned { // 0 is before the first event
		return nil, after, ErrPruned
	}

	switch {
	case len(events) == limit:
		next = events[limit-1].Position
	case last >= after.Seq:
		next = End(last)
	default: // the position is beyond this horizon
		next = after
	}

	return events, next, nil
}

const readEvents = `
	SELECT e.seq, o.n::int, e.at, e.type,
		coalesce(o.id, '00000000-0000-0000-0000-000000000000') AS order_id, coalesce(o.sku, '') AS sku,
		coalesce(orders.reference, '') AS reference,
		CASE WHEN e.type = 'order.' || orders.status THEN coalesce(orders.status_reason_code, '') ELSE '' END AS reason_code
	FROM (
		SELECT seq, at, type, order_ids, skus
		FROM events
		WHERE seq >= $1
			AND seq <= $3
		ORDER BY seq
		LIMIT $6
	) AS e
	CROSS JOIN LATERAL unnest(e.order_ids, e.skus) WITH ORDINALITY AS o (id, sku, n)
	LEFT JOIN orders ON orders.id = o.id
	WHERE (e.seq, o.n) > ($1, $2)
		AND e.type = ANY($4)
	ORDER BY e.seq, o.n
	LIMIT $5`

// Prune deletes at most limit rows, the oldest first, that are older than keep, and returns how many.
func Prune(ctx context.Context, tx pgx.Tx, keep time.Duration, limit int) (deleted int64, err error) {
	err = tx.QueryRow(ctx, `
		WITH bound AS (
			SELECT max(seq) AS seq
			FROM (
				SELECT seq, at
				FROM events
				ORDER BY seq
				LIMIT $2
			) AS oldest
			WHERE at < now() - $1::interval
		), deleted AS (
			DELETE FROM events
			WHERE seq <= (SELECT seq FROM bound)
			RETURNING seq
		), moved AS (
			UPDATE event_horizon
			SET pruned = greatest(pruned, (SELECT max(seq) FROM deleted))
			WHERE EXISTS (SELECT FROM deleted)
		)
		SELECT count(*)
		FROM deleted`, keep, limit).Scan(&deleted)
	if err != nil {
		return 0, fmt.Errorf("prune events: %w", err)
	}

	return deleted, nil
}
