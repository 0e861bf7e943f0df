// Package lookup finds what an operator has in hand: an order by whatever names it, and the
// jobs that an order has in the queue.
package lookup

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
)

// By says what a text is the name of.
type By string

// What names an order.
const (
	ByOrder     By = "order id"
	ByKey       By = "Idempotency-Key"
	ByReference By = "reference"
	ByPayment   By = "payment reference"
	ByJob       By = "job id"
)

// A Match is an order that a text names.
type Match struct {
	By      By
	OrderID uuid.UUID
}

// Found is all that a text names.
type Found struct {
	Orders   []Match
	Customer bool   // a customer has orders under this id
	Product  bool   // a product has this sku
	Letter   *int64 // a dead letter that names no order
}

// maxMatches bounds the orders of one name: a job may be of hundreds.
const maxMatches = 50

// Search finds what a text names. Each table is searched by the index of that name.
func Search(ctx context.Context, q db.Querier, text string) (Found, error) {
	found, err := searchNames(ctx, q, text)
	if err != nil {
		return found, err
	}

	if id, err := uuid.Parse(text); err == nil {
		byID, err := matches(ctx, q, `
			SELECT $2, id
			FROM orders
			WHERE id = $1
			LIMIT $3`, id, ByOrder, maxMatches)
		if err != nil || len(byID) > 0 {
			return Found{Orders: byID}, err
		}
	}

	if jobID, err := strconv.ParseInt(text, 10, 64); err == nil && jobID > 0 {
		if err := found.searchJob(ctx, q, jobID); err != nil {
			return found, err
		}
	}

	return found, nil
}

// names are the orders by what clients and operators call them. Keys and references are of a
// client, and there are few clients: each is looked up by its own part of the index, which the
// recursion finds by one seek a client.
const names = `
	WITH RECURSIVE scopes AS (
		(SELECT scope FROM idempotency_keys ORDER BY scope LIMIT 1)
		UNION ALL
		SELECT (SELECT k.scope FROM idempotency_keys AS k WHERE k.scope > scopes.scope ORDER BY k.scope LIMIT 1)
		FROM scopes
		WHERE scopes.scope IS NOT NULL
	), clients AS (
		(SELECT client FROM orders WHERE reference IS NOT NULL ORDER BY client LIMIT 1)
		UNION ALL
		SELECT (
			SELECT o.client FROM orders AS o WHERE o.reference IS NOT NULL AND o.client > clients.client ORDER BY o.client LIMIT 1
		)
		FROM clients
		WHERE clients.client IS NOT NULL
	)
	SELECT 'Idempotency-Key', keys.order_id
	FROM scopes
	CROSS JOIN LATERAL (
		SELECT k.order_id
		FROM idempotency_keys AS k
		WHERE k.scope = scopes.scope
			AND k.key = $1
			AND k.order_id IS NOT NULL
		OFFSET 0
	) AS keys
	UNION ALL
	SELECT 'reference', named.id
	FROM clients
	CROSS JOIN LATERAL (
		SELECT o.id
		FROM orders AS o
		WHERE o.client = clients.client
			AND o.reference = $1
		OFFSET 0
	) AS named
	UNION ALL
	SELECT 'payment reference', order_id
	FROM payments
	WHERE reference = $1
	LIMIT $2`

func searchNames(ctx context.Context, q db.Querier, text string) (found Found, err error) {
	if found.Orders, err = matches(ctx, q, names, text, maxMatches); err != nil {
		return found, err
	}

	err = q.QueryRow(ctx, `
		SELECT
			EXISTS (SELECT FROM orders WHERE user_id = $1),
			EXISTS (SELECT FROM products WHERE sku = $1)`, text).Scan(&found.Customer, &found.Product)
	if err != nil {
		return found, fmt.Errorf("search customers and products: %w", err)
	}

	return found, nil
}

// searchJob adds the orders of a job that the queue or a dead letter has.
func (f *Found) searchJob(ctx context.Context, q db.Querier, jobID int64) error {
	byJob, err := matches(ctx, q, `
		SELECT $2, order_id
		FROM dead_letters
		WHERE job_id = $1
			AND order_id IS NOT NULL
		UNION
		SELECT $2, (args ->> 'order_id')::uuid
		FROM river_job
		WHERE id = $1
			AND args ? 'order_id'
		UNION
		SELECT $2, listed.id::uuid
		FROM river_job
		CROSS JOIN LATERAL jsonb_array_elements_text(args -> 'order_ids') AS listed (id)
		WHERE river_job.id = $1
			AND jsonb_typeof(args -> 'order_ids') = 'array'
		LIMIT $3`, jobID, ByJob, maxMatches)
	if err != nil {
		return err
	}

	f.Orders = append(f.Orders, byJob...)

	var letter bool

	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dead_letters WHERE job_id = $1)`, jobID).Scan(&letter)
	if err != nil {
		return fmt.Errorf("search dead letters: %w", err)
	}

	if letter && len(byJob) == 0 {
		f.Letter = &jobID
	}

	return nil
}

func matches(ctx context.Context, q db.Querier, sql string, args ...any) ([]Match, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Match])
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}

	return list, nil
}
