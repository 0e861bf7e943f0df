package progress

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Work is what a job of an order does, and what makes it unique.
type Work struct {
	Kind     string
	OrderID  uuid.UUID
	Template string // of a step that sends a message
}

// A Status is how far a piece of work is, whatever happened to its jobs.
type Status struct {
	Order   order.Status // of its order; empty when there is none
	Applied bool         // the ledger has its key: the effect, or a void
	Live    bool         // a job that has not ended does it
}

// Statuses looks up how far each piece of work is. OFFSET 0 makes the planner use one
// index lookup for each piece of work. Without it, the planner might read all jobs if the
// queue has grown since its last ANALYZE.
func Statuses(ctx context.Context, q db.Querier, works []Work) (map[Work]Status, error) {
	found := make(map[Work]Status, len(works))
	if len(works) == 0 {
		return found, nil
	}

	kinds, ids, templates := make([]string, len(works)), make([]uuid.UUID, len(works)), make([]string, len(works))
	for i, w := range works {
		kinds[i], ids[i], templates[i] = w.Kind, w.OrderID, w.Template
	}

	rows, err := q.Query(ctx, `
		SELECT
			w.kind,
			w.order_id,
			w.template,
			coalesce((SELECT status FROM orders WHERE id = w.order_id), ''),
			EXISTS (
				SELECT
				FROM step_effects
				WHERE order_id = w.order_id
					AND step = w.kind
					AND template = w.template
				OFFSET 0
			),
			EXISTS (
				SELECT
				FROM live_jobs
				WHERE unique_key = ANY(j.unique_keys)
				OFFSET 0
			)
		FROM unnest($1::text[], $2::uuid[], $3::text[]) AS w (kind, order_id, template)
		LEFT JOIN LATERAL (
			SELECT unique_keys
			FROM order_jobs
			WHERE order_id = w.order_id
				AND kind = w.kind
				AND template = w.template
			OFFSET 0
		) AS j ON true`, kinds, ids, templates)
	if err != nil {
		return nil, fmt.Errorf("look up work: %w", err)
	}

	var (
		work   Work
		status Status
	)

	columns := []any{&work.Kind, &work.OrderID, &work.Template, &status.Order, &status.Applied, &status.Live}

	_, err = pgx.ForEachRow(rows, columns, func() error {
		found[work] = status

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up work: %w", err)
	}

	return found, nil
}
