package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"

	"orders/cmd/bench/database"
)

const (
	relayBatch = 500
	relayPoll  = 10 * time.Millisecond
)

// relay publishes what the outbox has, until ctx ends. It pauses after each batch that is not full, so that the next one
// has more rows.
func relay(ctx context.Context, pool *pgxpool.Pool, channel *amqp.Channel) error {
	if err := channel.Confirm(false); err != nil {
		return fmt.Errorf("turn publisher confirms on: %w", err)
	}

	for n := 0; n == relayBatch && ctx.Err() == nil || database.Sleep(ctx, relayPoll); {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
			n, err = publish(ctx, tx, channel)

			return err
		})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("relay: %w", err)
		}
	}

	return nil
}

// publish publishes a batch of the outbox, and returns how many rows it had. RabbitMQ has the messages on its disk when it
// returns; the caller's commit deletes their rows. If it does not commit, they are published again.
func publish(ctx context.Context, tx pgx.Tx, channel *amqp.Channel) (int, error) {
	rows, _ := tx.Query(ctx, `
		DELETE FROM outbox
		WHERE id IN (
			SELECT id
			FROM outbox
			ORDER BY id
			LIMIT $1
			FOR UPDATE SKIP LOCKED
		)
		RETURNING order_id`, relayBatch) // CollectRows returns its error

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("take outbox rows: %w", err)
	}

	confirms := make([]*amqp.DeferredConfirmation, len(ids))

	for i, id := range ids {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "text/plain", Body: []byte(id.String())}

		if confirms[i], err = channel.PublishWithDeferredConfirmWithContext(ctx, exchange, "", false, false, message); err != nil {
			return 0, fmt.Errorf("publish: %w", err)
		}
	}

	for _, confirm := range confirms {
		if acked, err := confirm.WaitContext(ctx); err != nil || !acked {
			return 0, fmt.Errorf("publish: confirmed %t: %w", acked, err)
		}
	}

	return len(ids), nil
}
