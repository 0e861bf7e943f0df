package workers

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/clock"
	"orders/db/delivery"
	"orders/db/event"
	"orders/jobs"
	"orders/workers/deliver"
	"orders/workers/notice"
)

// delivering is the handler of an endpoint's job.
type delivering[A river.JobArgs] struct {
	policy[A]

	followers *deliver.Followers
	endpoint  func(A) uuid.UUID
}

// Work sends events for a while, and snoozes the job.
func (d *delivering[A]) Work(ctx context.Context, job *river.Job[A]) error {
	return jobError(d.followers.Follow(ctx, d.endpoint(job.Args)))
}

// registerDeliveries adds the handlers that send events. Without a mail server, mail is left to workers that know one.
func (w *Workers) registerDeliveries(o Options, handlers *river.Workers) {
	follow := func(sender deliver.Sender) *deliver.Followers {
		f := deliver.New(deliver.Options{Pool: o.Pool, Log: o.Log, Sender: sender, Observer: o.observer()})
		w.followers = append(w.followers, f)

		return f
	}

	river.AddWorker(handlers, &delivering[jobs.DeliverWebhook]{
		policyAt[jobs.DeliverWebhook](w.clock), follow(deliver.NewWebhook(o.AllowPrivate)),
		func(a jobs.DeliverWebhook) uuid.UUID { return a.EndpointID },
	})

	if o.Mail != nil {
		river.AddWorker(handlers, &delivering[jobs.DeliverMail]{
			policyAt[jobs.DeliverMail](w.clock), follow(&notice.Sender{Mail: o.Mail}),
			func(a jobs.DeliverMail) uuid.UUID { return a.EndpointID },
		})
	}
}

func policyAt[A river.JobArgs](c *clock.Clock) policy[A] { return policy[A]{clock: c} }

// ensureMail makes the endpoint of mail, at the end of the log, and its job, if they are not there.
func (w *Workers) ensureMail(ctx context.Context) error {
	if w.options.Mail == nil {
		return nil
	}

	//nolint:wrapcheck // it says what was done
	return db.InTx(ctx, w.options.Pool, func(tx pgx.Tx) error {
		at, err := event.Numbered(ctx, tx)
		if err != nil {
			return err
		}

		id, err := delivery.EnsureMail(ctx, tx, notice.Types(), at)
		if err != nil {
			return err
		}

		_, err = w.client.InsertTx(ctx, tx, jobs.DeliverMail{EndpointID: id}, nil)

		return err
	})
}
