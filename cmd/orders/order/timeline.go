package order

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api"
	"orders/api/operation"
	"orders/cmd/orders/shell"
	"orders/db/report"
	"orders/order/explain"
)

// maxEntries are as many as the API lists.
const maxEntries = 1_000

// TimelineCmd lists what happened to an order.
type TimelineCmd struct {
	key
	format

	Limit int `default:"1000" help:"The largest number of entries, the newest ones: 1 to 1000."`
}

// Run prints the entries, the oldest first.
func (c TimelineCmd) Run(s *shell.Shell) error {
	if c.Limit < 1 || c.Limit > maxEntries {
		return shell.Mistake("--limit: %d is not 1 to %d", c.Limit, maxEntries)
	}

	return s.WithPool(func(pool *pgxpool.Pool) error {
		entries, err := explain.Timeline(s.Ctx, pool, c.ID, c.Limit+1)
		if err != nil {
			return shell.Refusal(err)
		}

		truncated := len(entries) > c.Limit
		if truncated {
			entries = entries[1:]
		}

		if c.isJSON() {
			return s.PrintJSON(api.OrderTimeline{
				OrderID: c.ID, Entries: operation.Each(entries, api.TimelineEntryOf), Truncated: truncated,
			})
		}

		if truncated {
			fmt.Fprintln(s.Stderr, "There are older entries; --limit lists more.")
		}

		return s.PrintTable(timelineTable(entries))
	})
}

func timelineTable(entries []explain.Entry) report.Table {
	t := report.Table{Columns: []string{"at", "type", "step", "actor", "what happened"}}

	for _, e := range entries {
		t.Rows = append(t.Rows, []any{e.At, string(e.Type), orNil(string(e.Step)), orNil(e.Actor), e.Text})
	}

	return t
}

// orNil is a text for tables; nil for an empty one.
func orNil(text string) any {
	if text == "" {
		return nil
	}

	return text
}
