// Package webhook has the commands about webhooks, to which events are sent.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/report"
	"orders/order"
	"orders/order/flow"
	"orders/order/webhook"
)

// Cmd makes and manages webhooks.
type Cmd struct {
	Create  createCmd  `cmd:"" help:"Make a webhook, and print its secret once."`
	List    listCmd    `cmd:"" help:"List the webhooks and how they are, without their secrets."`
	Rotate  rotateCmd  `cmd:"" help:"Give a webhook another secret, and print it once. For 24 hours both sign."`
	Disable disableCmd `cmd:"" help:"Send nothing any more, until the webhook is enabled."`
	Enable  enableCmd  `cmd:"" help:"Send events again, those from before as well."`
	Test    testCmd    `cmd:"" help:"Send a test event, and print what came of it."`
}

type createCmd struct {
	URL  string       `arg:"" help:"Where to send events: an https URL with a public address."`
	Type []event.Type `placeholder:"TYPE" help:"Only events of these types: ${event_types}. By default, all."`
}

// Validate reports a mistake in the flags.
func (c createCmd) Validate() error {
	for _, t := range c.Type {
		if !slices.Contains(event.Types(), t) {
			return fmt.Errorf("--type: %q is not one of %s", t, Types())
		}
	}

	return nil
}

// Types are the names of all types of events, separated by commas.
func Types() string {
	return strings.Join(shell.Each(event.Types(), func(t event.Type) string { return string(t) }), ",")
}

// Run prints the secret on standard output and what it is of on standard error, so that a script can keep it.
func (c createCmd) Run(s *shell.Shell) error {
	var made delivery.Endpoint

	err := act(s, func(_ *pgxpool.Pool, queue *flow.Queue) error {
		return s.InTx(func(tx pgx.Tx) (err error) {
			n := webhook.New{URL: c.URL, Types: c.Type, AllowPrivate: s.AllowPrivate}
			made, err = webhook.Create(s.Ctx, tx, queue, n, shell.Actor())

			return err
		})
	})
	if err != nil {
		return shell.Refusal(err)
	}

	fmt.Fprintf(s.Stderr, "Webhook %s to %s. Its secret is shown only now; receivers verify signatures with it.\n", made.ID, made.URL)

	_, err = fmt.Fprintln(s.Stdout, made.Secret)

	return err
}

// act opens what an act needs.
func act(s *shell.Shell, do func(pool *pgxpool.Pool, queue *flow.Queue) error) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		queue, err := s.Queue(pool)
		if err != nil {
			return err
		}

		return do(pool, queue)
	})
}

type listCmd struct{}

// Run lists the webhooks.
func (listCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		list, err := delivery.List(s.Ctx, pool)
		if err != nil {
			return err
		}

		t := report.Table{Columns: []string{
			"id", "url", "types", "state", "waiting", "last_at", "last_status", "last_answer", "failing_since",
			"created_at", "created_by", "reason",
		}}

		for _, e := range list {
			types := shell.Each(e.Types, func(t event.Type) string { return string(t) })

			var status any // none before the first answer
			if e.LastStatus != 0 {
				status = e.LastStatus
			}

			t.Rows = append(t.Rows, []any{
				e.ID.String(), e.URL, strings.Join(types, " "), string(e.State()), e.Waiting, output.ValueOf(e.LastAt),
				status, e.LastAnswer, output.ValueOf(e.FailingSince), e.CreatedAt, e.CreatedBy, output.ValueOf(e.DisabledReason),
			})
		}

		return s.PrintTable(t)
	})
}

// A key is the argument of commands about one webhook.
type key struct {
	ID uuid.UUID `arg:"" what:"a webhook's id" help:"Its id, as orders webhook list prints it."`
}

type rotateCmd struct{ key }

// Run prints the new secret.
func (c rotateCmd) Run(s *shell.Shell) error {
	var e delivery.Endpoint

	if err := s.InTx(func(tx pgx.Tx) (err error) {
		e, err = webhook.Rotate(s.Ctx, tx, c.ID, shell.Actor())

		return err
	}); err != nil {
		return shell.Refusal(err)
	}

	_, err := fmt.Fprintln(s.Stdout, e.Secret)

	return err
}

type disableCmd struct {
	key

	Reason string `required:"" help:"Why, in words."`
}

// Run disables the webhook.
func (c disableCmd) Run(s *shell.Shell) error {
	if err := s.InTx(func(tx pgx.Tx) error {
		_, err := webhook.Disable(s.Ctx, tx, c.ID, c.Reason, shell.Actor())

		return err
	}); err != nil {
		return shell.Refusal(err)
	}

	_, err := fmt.Fprintf(s.Stdout, "Webhook %s is disabled.\n", c.ID)

	return err
}

type enableCmd struct{ key }

// Run enables the webhook.
func (c enableCmd) Run(s *shell.Shell) error {
	err := act(s, func(_ *pgxpool.Pool, queue *flow.Queue) error {
		return s.InTx(func(tx pgx.Tx) error {
			_, err := webhook.Enable(s.Ctx, tx, queue, c.ID, shell.Actor())

			return err
		})
	})
	if err != nil {
		return shell.Refusal(err)
	}

	_, err = fmt.Fprintf(s.Stdout, "Webhook %s is enabled.\n", c.ID)

	return err
}

type testCmd struct {
	key

	Wait time.Duration `default:"30s" help:"How long to wait for what comes of it."`
}

const lookEvery = 100 * time.Millisecond

// errNotArrived says that a test event has not arrived.
var errNotArrived = errors.New("the test event has not arrived")

// Run sends the event by a worker, and waits for the first attempt.
func (c testCmd) Run(s *shell.Shell) error {
	err := act(s, func(pool *pgxpool.Pool, queue *flow.Queue) error {
		var d delivery.Delivery

		err := s.InTx(func(tx pgx.Tx) (err error) {
			d, err = webhook.Test(s.Ctx, tx, queue, c.ID, shell.Actor())

			return err
		})
		if err != nil {
			return err
		}

		if d, err = await(s.Ctx, pool, d, c.Wait); err != nil {
			return err
		}

		return c.print(s, d)
	})

	return shell.Refusal(err)
}

// await waits for the first attempt.
func await(ctx context.Context, pool *pgxpool.Pool, d delivery.Delivery, most time.Duration) (delivery.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()

	again := time.NewTicker(lookEvery)
	defer again.Stop()

	for d.Attempts == 0 {
		select {
		case <-ctx.Done():
			return d, nil
		case <-again.C:
		}

		found, err := delivery.Find(ctx, pool, d.ID)
		if err != nil && ctx.Err() == nil {
			return d, err
		}

		if err == nil {
			d = found
		}
	}

	return d, nil
}

func (testCmd) print(s *shell.Shell, d delivery.Delivery) error {
	switch {
	case d.State == delivery.Sent:
		_, err := fmt.Fprintf(s.Stdout, "It has arrived: %d %s\n", d.Status, d.Answer)

		return err
	case d.Attempts == 0:
		return order.Errorf(order.Unavailable,
			"No worker has sent it yet; orders queues list shows who works queue delivery. A webhook that is paused is tried later.")
	default:
		return fmt.Errorf("%w: status %d, %s", errNotArrived, d.Status, d.Answer)
	}
}
