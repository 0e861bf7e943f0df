package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// An Operation is a redrive of one letter or many, and how far its new jobs are.
type Operation struct {
	ID     uuid.UUID
	Actor  string
	Note   string
	At     time.Time
	Counts []OperationCount
}

// An OperationCount is how many letters of an operation have an outcome, and how many of the
// new jobs are live, dead or done.
type OperationCount struct {
	Outcome string
	Letters int64
	Live    int64
	Dead    int64
	Done    int64
}

// ReadOperation reads a redrive and its progress; [order.NotFound] when there is none.
func ReadOperation(ctx context.Context, q db.Querier, id uuid.UUID) (Operation, error) {
	o := Operation{ID: id}

	rows, err := q.Query(ctx, `
		SELECT min(r.actor), min(r.note), min(r.at), r.outcome, count(*),
			count(*) FILTER (WHERE r.new_job_id IS NOT NULL AND NOT again.dead AND again.live),
			count(*) FILTER (WHERE r.new_job_id IS NOT NULL AND again.dead),
			count(*) FILTER (WHERE r.new_job_id IS NOT NULL AND NOT again.dead AND NOT again.live)
		FROM redrives AS r
		CROSS JOIN LATERAL (
			SELECT
				EXISTS (SELECT FROM dead_letters WHERE job_id = r.new_job_id AND job_id <> r.job_id) AS dead,
				EXISTS (SELECT FROM river_job WHERE id = r.new_job_id AND finalized_at IS NULL) AS live
			OFFSET 0 -- two look-ups a letter
		) AS again
		WHERE r.operation_id = $1
		GROUP BY r.outcome
		ORDER BY count(*) DESC, r.outcome`, id)
	if err != nil {
		return o, fmt.Errorf("read redrive: %w", err)
	}

	var c OperationCount

	_, err = pgx.ForEachRow(rows, []any{&o.Actor, &o.Note, &o.At, &c.Outcome, &c.Letters, &c.Live, &c.Dead, &c.Done}, func() error {
		o.Counts = append(o.Counts, c)

		return nil
	})
	if err != nil {
		return o, fmt.Errorf("read redrive: %w", err)
	}

	if len(o.Counts) == 0 {
		return o, order.Errorf(order.NotFound, "There is no redrive with the id %s.", id)
	}

	return o, nil
}
