package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/database"
	"orders/cmd/bench/load"
	"orders/cmd/bench/receiver"
	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/jobs"
)

// webhooksGroup is the name by which all scenarios of webhooks are chosen. They are compared with each other, and are left out
// unless they are named: an outage that shows something takes a minute and more.
const webhooksGroup = "webhooks"

// withoutWebhooks is the run that the others are compared with.
const withoutWebhooks = webhooksGroup + " none"

// outageRate is the load during an outage, as a share of capacity: an event costs about as much as an order, and there
// are two receivers.
const outageRate = 0.25

// webhooks are the scenarios of webhooks.
func webhooks(outage time.Duration) []Scenario {
	spread := load.Spread

	return []Scenario{
		{name: withoutWebhooks, group: webhooksGroup, description: "spread, without webhooks", work: spread},
		{
			name: webhooksGroup + " healthy", group: webhooksGroup, description: "one webhook takes an event of each order",
			work: spread, receivers: []receiver.Mode{receiver.Healthy},
		},
		{
			name: webhooksGroup + " bad", group: webhooksGroup,
			description: "four webhooks: one hangs, one responds with 500, one with 429, one is down",
			work:        spread, receivers: receiver.Bad,
		},
		{
			name: webhooksGroup + " outage", group: webhooksGroup, once: true,
			description: fmt.Sprintf("open model at a quarter of capacity; two webhooks, one of which is bad in these ways for %s", outage),
			work:        spread, rate: outageRate, capacityOf: withoutWebhooks, duration: outage, outage: true,
			receivers: []receiver.Mode{receiver.Healthy, receiver.Bad[0]}, observers: []observer{(*measurement).misbehave},
		},
	}
}

// startReceivers starts the receivers, and makes an endpoint for each.
func (m *measurement) startReceivers(ctx context.Context) error {
	if len(m.Scenario.receivers) == 0 {
		return nil
	}

	pool, err := pgxpool.New(ctx, m.url)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	queue, err := jobs.NewClient(pool, nil, jobs.Defaults())
	if err != nil {
		return err
	}

	for _, mode := range m.Scenario.receivers {
		r, err := receiver.Start(ctx, mode)
		if err != nil {
			return err
		}

		m.receivers = append(m.receivers, r)

		err = db.InTx(ctx, pool, func(tx pgx.Tx) error {
			e, err := delivery.Create(ctx, tx, delivery.Endpoint{
				Kind: delivery.Webhook, URL: r.URL(), Types: []event.Type{receiver.Type}, Secret: delivery.NewSecret(), CreatedBy: "bench",
			}, event.Start)
			if err != nil {
				return err
			}

			_, err = queue.InsertTx(ctx, tx, jobs.DeliverWebhook{EndpointID: e.ID}, nil)

			return err
		})
		if err != nil {
			return fmt.Errorf("make a webhook: %w", err)
		}
	}

	return nil
}

func (m *measurement) closeReceivers() (err error) {
	for _, r := range m.receivers {
		err = errors.Join(err, r.Close())
	}

	return err
}

// misbehave lets the last receiver be bad in one way after the other, in equal parts of the outage.
func (m *measurement) misbehave(ctx context.Context) error {
	bad := m.receivers[len(m.receivers)-1]

	for _, mode := range receiver.Bad {
		if err := bad.Set(ctx, mode); err != nil {
			return err
		}

		m.Progress.Printf("%s  a receiver %s", m.title, mode)

		if !database.Sleep(ctx, m.duration/time.Duration(len(receiver.Bad))) {
			break
		}
	}

	return nil
}

// endOutage lets all receivers take events.
func (m *measurement) endOutage(ctx context.Context) error {
	if !m.outage {
		return nil
	}

	m.healed = time.Now()

	return m.receivers[len(m.receivers)-1].Set(ctx, receiver.Healthy)
}

// delivered waits until the healthy receivers have the events of all orders, and measures that.
func (m *measurement) delivered(ctx context.Context) error {
	if m.Scenario.receivers == nil || m.Scenario.receivers[0] != receiver.Healthy {
		return nil
	}

	m.Progress.Updatef("%s  waiting for what is sent", m.title)

	events := len(m.loaded.Accepted)
	again := 0

	for _, r := range m.receivers {
		if err := r.Await(ctx, events); err != nil {
			return err
		}

		again += r.Count().Again
	}

	last := m.receivers[len(m.receivers)-1].Count()
	m.figures["delivered_per_s"] = float64(events) / last.Last.Sub(last.First).Seconds()
	m.figures["delivered_again"] = float64(again)

	if m.outage {
		outage, noticed, took := m.healed.Sub(m.loaded.Start), last.First.Sub(m.healed), last.Last.Sub(m.healed)
		m.figures["noticed_s"], m.figures["drain_s"] = noticed.Seconds(), took.Seconds()
		m.figures["drain_to_outage"] = took.Seconds() / outage.Seconds()
		m.Progress.Printf("%s  after an outage of %.0f s the first event has arrived in %.1f s, and all %d in %.1f s; %d again",
			m.title, outage.Seconds(), noticed.Seconds(), events, took.Seconds(), again)
	}

	return nil
}

// checkDelivered fails unless each event has arrived at the healthy receivers, and is recorded so.
func (m *measurement) checkDelivered(ctx context.Context, pool *pgxpool.Pool) error {
	if _, sent := m.figures["delivered_per_s"]; !sent {
		return nil
	}

	rows, err := pool.Query(ctx, `
		SELECT id
		FROM events
		CROSS JOIN unnest(order_ids) AS o (id)
		WHERE type = $1`, receiver.Type)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}

	orders, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}

	for _, r := range m.receivers {
		err = errors.Join(err, r.Check(orders))
	}

	var others int
	if err := pool.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM endpoints) * $1::int - count(*) FILTER (WHERE state = 'sent')
		FROM deliveries`, len(orders)).Scan(&others); err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}

	if others != 0 {
		err = errors.Join(err, fmt.Errorf("%d deliveries are not recorded as sent", others))
	}

	return err
}
