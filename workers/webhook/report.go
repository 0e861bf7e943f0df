package webhook

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/alert"
	"orders/db/condition"
)

// maxMessages are posted by one report, in at most five seconds each: the timeout of an attempt of the job allows that.
const maxMessages = 10

// Report finds out which conditions have begun and ended, and posts what the receiver has not
// acknowledged. No transaction is open while it posts. A process that is killed after a post and
// before it is recorded leaves it to be posted again, with the same id.
func (c *Client) Report(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	if err := update(ctx, pool); err != nil {
		return err
	}

	messages, err := alert.Unposted(ctx, pool, maxMessages)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}

	for _, m := range messages {
		if err := c.Post(ctx, m); err != nil {
			log.WarnContext(ctx, "the alert webhook failed", "condition", m.Condition, "state", m.State, "alert", m.ID, "error", err)

			return err
		}

		if err := alert.Posted(ctx, pool, m); err != nil {
			return err //nolint:wrapcheck // it says what was done
		}

		log.InfoContext(ctx, "alert posted", "condition", m.Condition, "severity", m.Severity, "state", m.State, "alert", m.ID)
	}

	return nil
}

// update reads the conditions, and begins and ends alerts.
func update(ctx context.Context, pool *pgxpool.Pool) error {
	var reading condition.Reading

	err := db.Snapshot(ctx, pool, func(tx pgx.Tx) (err error) {
		reading, err = condition.Read(ctx, tx)

		return err
	})
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}

	//nolint:wrapcheck // it says what was done
	return db.InTx(ctx, pool, func(tx pgx.Tx) error {
		if err := alert.Update(ctx, tx, condition.Judge(reading, condition.DefaultLimits())); err != nil {
			return err
		}

		return alert.Prune(ctx, tx)
	})
}
