// Package watermark remembers how far scans along the orders have come. Orders sort
// by time through their ids, so a scan reads each id range once and its cost does
// not grow with history.
package watermark

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orders/db"
	"orders/db/pipeline"
)

// A Mark is how far a scan has come. The transaction that reads it holds its lock.
type Mark struct {
	Name    string
	OrderID uuid.UUID          // the last order that was scanned
	At      pgtype.Timestamptz // the time up to which the scan has read the ledgers, if it reads them
}

// Lock locks a scan's mark, which it makes if there is none. If another transaction has
// locked the mark, Lock waits for it or, without wait, returns false.
func Lock(ctx context.Context, tx pgx.Tx, name string, wait bool) (m Mark, locked bool, err error) {
	err = pipeline.Exec(ctx, tx, "make watermark", `
		INSERT INTO watermarks (name, order_id, at)
		VALUES ($1, '00000000-0000-0000-0000-000000000000', '-infinity')
		ON CONFLICT DO NOTHING`, name)
	if err != nil {
		return m, false, err
	}

	lock := "FOR NO KEY UPDATE SKIP LOCKED"
	if wait {
		lock = "FOR NO KEY UPDATE"
	}

	err = tx.QueryRow(ctx, `
		SELECT name, order_id, at
		FROM watermarks
		WHERE name = $1
		`+lock, name).Scan(&m.Name, &m.OrderID, &m.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, false, nil
	}

	if err != nil {
		return m, false, fmt.Errorf("lock watermark: %w", err)
	}

	return m, true, nil
}

// Move writes how far the scan has come.
func (m Mark) Move(ctx context.Context, tx pgx.Tx) error {
	return pipeline.Exec(ctx, tx, "move watermark", `
		UPDATE watermarks
		SET order_id = $2,
			at = $3
		WHERE name = $1`, m.Name, m.OrderID, m.At)
}

// A Range bounds the orders that a scan reads next.
type Range struct {
	Where  string    // a condition on orders, from the program and never from a user; empty for all
	Before time.Time // orders placed later are left for the next scan
	Limit  int       // orders at most
}

// Orders lists the next orders behind the mark by id.
func (m Mark) Orders(ctx context.Context, q db.Querier, r Range) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, `
		SELECT id
		FROM orders
		WHERE id > $1
			AND id < uuid_at($2)
			AND `+cmp.Or(r.Where, "true")+`
		ORDER BY id
		LIMIT $3`, m.OrderID, r.Before, r.Limit)
	if err != nil {
		return nil, fmt.Errorf("scan orders: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("scan orders: %w", err)
	}

	return ids, nil
}
