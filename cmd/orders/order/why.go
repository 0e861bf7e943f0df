package order

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/api/operation"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
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
		)

		err := db.Snapshot(s.Ctx, pool, func(tx pgx.Tx) (err error) {
			status, answer, err = explain.Why(s.Ctx, tx, c.ID, s.RedriveAfter)

			return err
		})
		if err != nil {
			return shell.Refusal(err)
		}

		if c.isJSON() {
			return s.PrintJSON(api.Explanation{
				OrderID: c.ID, Status: status, Reason: api.ReasonOf(answer.Reason),
				Reasons: operation.Each(answer.Reasons, api.ReasonOf), Warnings: answer.Warnings,
			})
		}

		return c.print(s, status, answer)
	})
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
