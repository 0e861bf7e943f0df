package order

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/change"
	"orders/order/flow"
)

// maxReason is as long as the API takes a reason, in characters.
const maxReason = 500

// CancelCmd cancels an order.
type CancelCmd struct {
	key
	format

	Reason string `required:"" help:"Why, in words: the order's status_reason, which its customer may read."`
}

// Run cancels the order as the user of the shell, and prints the order as it is then.
func (c CancelCmd) Run(s *shell.Shell) error {
	if err := checkReason(c.Reason); err != nil {
		return err
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

// checkReason refuses what the API refuses.
func checkReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return shell.Mistake("--reason: write why, in words")
	case utf8.RuneCountInString(reason) > maxReason:
		return shell.Mistake("--reason: it is longer than %d characters", maxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return shell.Mistake("--reason: it has control characters or is not UTF-8")
	default:
		return nil
	}
}
