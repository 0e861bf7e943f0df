package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/order"
)

// A Standing is how far a piece of work is, whatever became of its jobs.
type Standing struct {
	Status  order.Status // of its order; empty when there is none
	Applied bool         // the ledger has its key: the effect, or a void
	Live    bool         // a job that has yet to end does it
}

// Standings looks up how far each piece of work is.
func Standings(ctx context.Context, q Querier, works []Work) (map[Work]Standing, error) {
	found := make(map[Work]Standing, len(works))
	if len(works) == 0 {
		return found, nil
	}

	kinds, ids, templates := make([]string, len(works)), make([]uuid.UUID, len(works)), make([]string, len(works))
	for i, w := range works {
		kinds[i], ids[i], templates[i] = w.Kind, w.OrderID, w.Template
	}

	rows, err := q.Query(ctx, standings, kinds, ids, templates)
	if err != nil {
		return nil, fmt.Errorf("look up work: %w", err)
	}

	var (
		work Work
		part Standing // what one row says
	)

	columns := []any{&work.Kind, &work.OrderID, &work.Template, &part.Status, &part.Applied, &part.Live}

	_, err = pgx.ForEachRow(rows, columns, func() error {
		whole := found[work]
		whole.Status += part.Status // one row of each work has it
		whole.Applied = whole.Applied || part.Applied
		whole.Live = whole.Live || part.Live
		found[work] = whole

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up work: %w", err)
	}

	return found, nil
}

// standings has a row for each thing that is known of a piece of work. OFFSET 0
// holds the planner to one look a piece of work, as it might compare each with
// each when the queue has grown since its last statistics.
const standings = `
	WITH work AS MATERIALIZED (
		SELECT DISTINCT kind, order_id, template
		FROM unnest($1::text[], $2::uuid[], $3::text[]) AS w (kind, order_id, template)
	)
	SELECT w.kind, w.order_id, w.template, o.status, false, false
	FROM work AS w
	JOIN orders AS o ON o.id = w.order_id
	WHERE o.id = ANY($2)
	UNION ALL
	SELECT w.kind, w.order_id, w.template, '', true, false
	FROM work AS w
	JOIN points_entries AS p ON p.order_id = w.order_id AND p.kind = 'earn'
	WHERE w.kind = 'points'
		AND p.order_id = ANY($2)
	UNION ALL
	SELECT w.kind, w.order_id, w.template, '', true, false
	FROM work AS w
	JOIN notifications AS n ON n.order_id = w.order_id AND n.template = w.template
	WHERE w.kind = 'notification'
		AND n.order_id = ANY($2)
	UNION ALL
	SELECT w.kind, w.order_id, w.template, '', false, true
	FROM work AS w
	CROSS JOIN LATERAL (
		SELECT
		FROM live_jobs
		WHERE unique_key = job_key(w.kind, w.order_id, w.template)
		OFFSET 0
	) AS j`
