package order

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/change"
	"orders/order"
	"orders/order/flow"
)

// CancelCmd cancels an order.
type CancelCmd struct {
	key
	format

	Reason string `required:"" help:"Why, in words: the order's status_reason, which its customer may read."`
}

// Run cancels the order as the user of the shell, and prints the order as it is then.
func (c CancelCmd) Run(s *shell.Shell) error {
	if err := order.CheckWhy(c.Reason); err != nil {
		return shell.AsMistake(err)
	}

	return s.WithPool(func(pool *pgxpool.Pool) error {
		changed, err := c.cancel(s.Ctx, pool)
		if err != nil {
			return shell.Refusal(err)
		}

		// Event streams also look by themselves, two seconds later.
		change.Notify(s.Ctx, pool)

		if c.isJSON() {
			return s.PrintJSON(api.OrderOf(changed.Order))
		}

		_, err = fmt.Fprintf(s.Stdout, "Order %s is %s (%s). Its stock and points are given back.\n",
			c.ID, changed.Order.Status, output.Line(changed.Order.StatusReason))

		return err
	})
}

func (c CancelCmd) cancel(ctx context.Context, pool *pgxpool.Pool) (changed flow.Changed, err error) {
	err = db.InTx(ctx, pool, func(tx pgx.Tx) error {
		results, err := flow.Cancel(ctx, tx, []flow.Cancellation{{OrderID: c.ID, Reason: c.Reason, Actor: shell.Actor()}})
		if err != nil {
			return err
		}

		changed = results[0].Value

		return results[0].Err
	})

	return changed, err
}
