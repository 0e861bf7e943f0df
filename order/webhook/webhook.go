// Package webhook has what operators do about webhooks and their deliveries. Each act is recorded as one.
package webhook

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db/action"
	"orders/db/delivery"
	"orders/db/event"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// A New is a webhook that is to be made.
type New struct {
	URL          string
	Types        []event.Type // none for all
	AllowPrivate bool         // the address need not be public
}

// Create makes a webhook with a secret, which is in what it returns, and enqueues its job. It gets the events that have no
// number yet: an event of a transaction that is open may have one.
func Create(ctx context.Context, tx pgx.Tx, queue *flow.Queue, n New, by order.Actor) (delivery.Endpoint, error) {
	if err := delivery.CheckURL(n.URL, n.AllowPrivate); err != nil {
		return delivery.Endpoint{}, order.Errorf(order.Invalid, "The webhook's URL is wrong: %s.", err).
			At(order.Fieldf("url", "%s", err))
	}

	for _, t := range n.Types { // left out, an unknown one would leave all
		if !slices.Contains(event.Types(), t) {
			return delivery.Endpoint{}, order.Errorf(order.Invalid, "No events have type %q.", t).
				At(order.Fieldf("types", "expected types of events"))
		}
	}

	types := []event.Type{}
	for _, t := range event.Types() { // each once, in this order
		if slices.Contains(n.Types, t) {
			types = append(types, t)
		}
	}

	at, err := event.Numbered(ctx, tx)
	if err != nil {
		return delivery.Endpoint{}, err //nolint:wrapcheck // it says what was done
	}

	e, err := delivery.Create(ctx, tx, delivery.Endpoint{
		Kind: delivery.Webhook, URL: n.URL, Types: types, Secret: delivery.NewSecret(), CreatedBy: by.Name,
	}, at)
	if err != nil {
		return e, err //nolint:wrapcheck // it says what was done
	}

	return e, done(ctx, tx, queue, e, action.CreateWebhook, by)
}

// Rotate gives the webhook another secret, which is in what it returns. The one before stays valid for a day.
func Rotate(ctx context.Context, tx pgx.Tx, id uuid.UUID, by order.Actor) (delivery.Endpoint, error) {
	e, err := delivery.Rotate(ctx, tx, id, delivery.NewSecret())
	if err != nil {
		return e, err //nolint:wrapcheck // as above
	}

	return e, record(ctx, tx, e, action.RotateWebhook, by)
}

// Disable keeps events from being sent.
func Disable(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string, by order.Actor) (delivery.Endpoint, error) {
	if err := order.CheckWhy(reason); err != nil {
		return delivery.Endpoint{}, err //nolint:wrapcheck // it says what to do
	}

	e, err := delivery.Disable(ctx, tx, id, reason, by)
	if err != nil {
		return e, err //nolint:wrapcheck // as above
	}

	return e, record(ctx, tx, e, action.DisableWebhook, by)
}

// Enable lets events be sent again, those from before as well.
func Enable(ctx context.Context, tx pgx.Tx, queue *flow.Queue, id uuid.UUID, by order.Actor) (delivery.Endpoint, error) {
	e, err := delivery.Enable(ctx, tx, id)
	if err != nil {
		return e, err //nolint:wrapcheck // as above
	}

	return e, done(ctx, tx, queue, e, action.EnableWebhook, by)
}

// Test lets a test event be sent, before all that waits and even if the webhook is paused. The delivery tells what came of it.
func Test(ctx context.Context, tx pgx.Tx, queue *flow.Queue, id uuid.UUID, by order.Actor) (delivery.Delivery, error) {
	e, err := delivery.Get(ctx, tx, id)
	if err != nil {
		return delivery.Delivery{}, err //nolint:wrapcheck // as above
	}

	if e.Kind != delivery.Webhook {
		return delivery.Delivery{}, order.Errorf(order.NotFound, "There is no such webhook.")
	}

	if e.DisabledAt != nil {
		return delivery.Delivery{}, order.Errorf(order.StateConflict, "The webhook is disabled; enable it first.")
	}

	d, err := delivery.Test(ctx, tx, id)
	if err != nil {
		return d, err //nolint:wrapcheck // as above
	}

	if err := delivery.EndPause(ctx, tx, id); err != nil {
		return d, err //nolint:wrapcheck // as above
	}

	return d, done(ctx, tx, queue, e, action.TestWebhook, by)
}

// Redeliver lets a delivery be sent again, whatever became of it.
func Redeliver(ctx context.Context, tx pgx.Tx, id int64, by order.Actor) (delivery.Delivery, error) {
	d, err := delivery.Redeliver(ctx, tx, id)
	if err != nil {
		return d, err //nolint:wrapcheck // as above
	}

	act := action.Action{
		By: by, Name: action.Redeliver, Target: action.Target{Kind: action.Delivery, ID: strconv.FormatInt(id, 10)},
		Detail: map[string]any{"webhook": d.EndpointID, "event": d.EventID},
	}
	if d.OrderID != nil && d.EventType != event.EndpointTest {
		act.OrderID = *d.OrderID
	}

	return d, action.Record(ctx, tx, act) //nolint:wrapcheck // as above
}

// done lets the webhook's job run now, or enqueues it, and records the act.
func done(ctx context.Context, tx pgx.Tx, queue *flow.Queue, e delivery.Endpoint, name action.Name, by order.Actor) error {
	if err := delivery.Wake(ctx, tx, e.ID, jobs.DeliverWebhook{}.Kind()); err != nil {
		return err //nolint:wrapcheck // it says what was done
	}

	if _, err := queue.InsertTx(ctx, tx, jobs.DeliverWebhook{EndpointID: e.ID}, nil); err != nil {
		return fmt.Errorf("enqueue the webhook's job: %w", err)
	}

	return record(ctx, tx, e, name, by)
}

func record(ctx context.Context, tx pgx.Tx, e delivery.Endpoint, name action.Name, by order.Actor) error {
	//nolint:wrapcheck // it says what was done
	return action.Record(ctx, tx, action.Action{By: by, Name: name, Target: action.Target{Kind: action.Webhook, ID: e.ID.String()}})
}

// MissingJobs enqueues the jobs of webhooks and of mail that are not there: one was cancelled in River UI, or is lost, and
// that of mail has not been there yet.
func MissingJobs(ctx context.Context, tx pgx.Tx, queue *flow.Queue) (int, error) {
	var missing []river.InsertManyParams

	for kind, args := range map[delivery.Kind]func(id uuid.UUID) river.JobArgs{
		delivery.Webhook: func(id uuid.UUID) river.JobArgs { return jobs.DeliverWebhook{EndpointID: id} },
		delivery.Mail:    func(id uuid.UUID) river.JobArgs { return jobs.DeliverMail{EndpointID: id} },
	} {
		ids, err := delivery.WithoutJob(ctx, tx, kind, args(uuid.Nil).Kind())
		if err != nil {
			return 0, err //nolint:wrapcheck // it says what was done
		}

		for _, id := range ids {
			missing = append(missing, river.InsertManyParams{Args: args(id)})
		}
	}

	if len(missing) == 0 {
		return 0, nil
	}

	if _, err := queue.InsertManyTx(ctx, tx, missing); err != nil {
		return 0, fmt.Errorf("enqueue the jobs of endpoints: %w", err)
	}

	return len(missing), nil
}
