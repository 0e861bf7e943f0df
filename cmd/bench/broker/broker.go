// Package broker is the classical recipe for an order's asynchronous work, as a Go team would write it: an outbox, a
// relay and RabbitMQ, with the client github.com/rabbitmq/amqp091-go 1.16. It has the schema, the effects and the HTTP of
// the service that it is compared with. What was chosen, each time for the faster way that loses nothing:
//
//   - Placing is a transaction an order: order, lines, Idempotency-Key and one outbox row.
//   - The relay takes up to 500 rows with SKIP LOCKED, publishes them as persistent messages, and waits for the publisher
//     confirms of all of them before it commits their deletion. It polls every 10 ms: a NOTIFY would make the transactions
//     that place orders commit one after the other.
//   - A fanout exchange copies one message an order to a durable classic queue a step. A quorum queue is slower, and on
//     one node no safer.
//   - A process consumes each queue with so many consumers. They share a channel whose prefetch is twice their number.
//     Each message is a transaction with the step's effect, and is acked after the commit. Ledger keys make the effect
//     happen once, so there is no table of messages that were seen.
//   - A message whose transaction fails is requeued once, and then goes to the dead-letter exchange.
//   - A process whose connection to RabbitMQ breaks ends, and its supervisor starts it again.
//
// Orders that wait for a payment are refused: their later steps would need a second outbox row, and no run places them.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"orders/api"
	"orders/cmd/bench/baseline"
	"orders/cmd/bench/database"
	"orders/db/schema"
	"orders/order"
)

const (
	exchange     = "orders.placed"
	deadExchange = "orders.dead"
)

// apiConnections is the size of the pool of the API and the relay.
const apiConnections = 20

// Options are what both processes need.
type Options struct {
	DatabaseURL string // of a migrated database
	Listen      string // address of the HTTP
	RabbitMQ    string // amqp://…
}

const outbox = `CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid NOT NULL)`

// Serve serves the API and runs the relay, until ctx ends.
func Serve(ctx context.Context, o Options) error {
	pool, err := baseline.OpenPool(ctx, o.DatabaseURL, apiConnections)
	if err != nil {
		return err
	}
	defer pool.Close()

	if err := database.Exec(ctx, pool, outbox); err != nil {
		return err
	}

	conn, channel, err := connect(o.RabbitMQ)
	if err != nil {
		return err
	}
	defer conn.Close()

	handler := api.New(api.Options{ //nolint:contextcheck // requests bring their own
		Pool: pool, Place: place(pool), Log: logger(),
		Ready: func(ctx context.Context) error { return schema.Check(ctx, pool) },
	})
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return relay(ctx, pool, channel) })
	running.Go(func() error { return baseline.Serve(ctx, o.Listen, handler) })

	return running.Wait()
}

// connect opens a connection with one channel, and declares the queues.
func connect(url string) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}

	channel, err := conn.Channel()
	if err == nil {
		err = declare(channel)
	}

	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("declare queues: %w", err), conn.Close())
	}

	return conn, channel, nil
}

// declare makes a durable queue of each step, and one for dead letters.
func declare(channel *amqp.Channel) error {
	queues := map[string]string{deadExchange: deadExchange} // and their exchanges
	for _, step := range order.Steps() {
		queues[string(step.Name)] = exchange
	}

	for queue, source := range queues {
		if err := channel.ExchangeDeclare(source, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
			return err
		}

		args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeClassic}
		if source == exchange {
			args["x-dead-letter-exchange"] = deadExchange
		}

		if _, err := channel.QueueDeclare(queue, true, false, false, false, args); err != nil {
			return err
		}

		if err := channel.QueueBind(queue, "", source, false, nil); err != nil {
			return err
		}
	}

	return nil
}

// ready answers that the process is.
func ready(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") }

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
