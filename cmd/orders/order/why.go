package order

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/api/operation"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/lookup"
	"orders/db/report"
	"orders/order"
	"orders/order/explain"
)

// WhyCmd explains why an order has not settled.
type WhyCmd struct {
	key
	format
}

// Run prints the most important reason, and all reasons if there are several.
func (c WhyCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		var (
			status order.Status
			answer explain.Answer
			jobs   []lookup.Job
		)

		err := db.Snapshot(s.Ctx, pool, func(tx pgx.Tx) (err error) {
			if status, answer, err = explain.Why(s.Ctx, tx, c.ID, s.RedriveAfter); err != nil {
				return err
			}

			jobs, err = lookup.Jobs(s.Ctx, tx, c.ID)

			return err
		})
		if err != nil {
			return shell.Refusal(err)
		}

		if c.isJSON() {
			return s.PrintJSON(explained{
				Explanation: api.Explanation{
					OrderID: c.ID, Status: status, Reason: api.ReasonOf(answer.Reason),
					Reasons: operation.Each(answer.Reasons, api.ReasonOf), Warnings: answer.Warnings,
				},
				Jobs: operation.Each(jobs, jobOf),
			})
		}

		if err := c.print(s, status, answer); err != nil || len(jobs) == 0 {
			return err
		}

		fmt.Fprintln(s.Stdout)

		return s.PrintTable(jobsTable(jobs))
	})
}

// An explained order is what the API tells customers, with its live jobs, whose errors are for operators.
type explained struct {
	api.Explanation

	Jobs []job `json:"jobs"`
}

type job struct {
	ID          int64     `json:"id"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Attempt     int       `json:"attempt"`
	ScheduledAt time.Time `json:"scheduled_at"`
	Error       string    `json:"error"` // of the newest failed attempt; empty for none
}

func jobOf(j lookup.Job) job {
	return job{ID: j.ID, Kind: j.Kind, State: j.State, Attempt: j.Attempt, ScheduledAt: j.ScheduledAt, Error: j.NewestError()}
}

func jobsTable(jobs []lookup.Job) report.Table {
	t := report.Table{Columns: []string{"job_id", "kind", "state", "attempt", "scheduled_at", "newest error"}}

	for _, j := range jobs {
		t.Rows = append(t.Rows, []any{j.ID, j.Kind, j.State, int64(j.Attempt), j.ScheduledAt, orNil(output.Line(j.NewestError()))})
	}

	return t
}

func (c WhyCmd) print(s *shell.Shell, status order.Status, answer explain.Answer) error {
	fmt.Fprintf(s.Stdout, "Order %s is %s. %s\n", c.ID, status, output.Line(answer.Text))

	for _, warning := range answer.Warnings {
		fmt.Fprintf(s.Stdout, "Warning: %s\n", output.Line(warning))
	}

	if len(answer.Reasons) == 0 {
		return nil
	}

	fmt.Fprintln(s.Stdout)

	t := report.Table{Columns: []string{"step", "code", "until", "reason"}}

	for _, r := range answer.Reasons {
		step := any(string(r.Step))
		if r.Step == "" {
			step = nil
		}

		t.Rows = append(t.Rows, []any{step, string(r.Code), output.ValueOf(r.Until), r.Text})
	}

	return s.PrintTable(t)
}
