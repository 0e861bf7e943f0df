package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"orders/cmd/bench/baseline"
	"orders/order/flow"
)

// workConnections is the size of the consumers' pool. With 12, 30 and 96 connections, the three programs and RabbitMQ took
// 4.2, 4.5 and 5.2 s of processor time for 1,000 orders on two cores.
const workConnections = 12

// Work consumes the queue of each step with so many consumers, until ctx ends.
func Work(ctx context.Context, o Options, consumers int) error {
	pool, err := baseline.OpenPool(ctx, o.DatabaseURL, workConnections)
	if err != nil {
		return err
	}
	defer pool.Close()

	conn, _, err := connect(o.RabbitMQ)
	if err != nil {
		return err
	}
	defer conn.Close()

	log := logger()
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return baseline.Serve(ctx, o.Listen, http.HandlerFunc(ready)) })

	for _, spec := range flow.Specs() {
		messages, err := receive(ctx, conn, string(spec.Name), 2*consumers)
		if err != nil {
			return fmt.Errorf("consume %s: %w", spec.Name, err)
		}

		for range consumers {
			running.Go(func() error { return consume(ctx, pool, spec, messages, log) })
		}
	}

	return running.Wait()
}

// receive opens a channel that receives the messages of a queue.
func receive(ctx context.Context, conn *amqp.Connection, queue string, prefetch int) (<-chan amqp.Delivery, error) {
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Qos(prefetch, 0, false)
	}

	if err != nil {
		return nil, err
	}

	return channel.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
}

// consume is one consumer.
func consume(ctx context.Context, pool *pgxpool.Pool, spec flow.Spec, messages <-chan amqp.Delivery, log *slog.Logger) error {
	for message := range messages {
		err := apply(context.WithoutCancel(ctx), pool, spec, message.Body)
		if err == nil {
			err = message.Ack(false)
		} else {
			log.Warn("message failed", "queue", spec.Name, "error", err)
			err = message.Nack(false, !message.Redelivered)
		}

		if err != nil {
			return fmt.Errorf("settle message: %w", err)
		}
	}

	if ctx.Err() == nil {
		return errors.New("RabbitMQ has closed the channel")
	}

	return nil
}

// apply does the step for the order of a message.
func apply(ctx context.Context, pool *pgxpool.Pool, spec flow.Spec, body []byte) error {
	id, err := uuid.ParseBytes(body)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}

	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return baseline.Apply(ctx, tx, spec, nil, id) })
}
