package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/order"
	"orders/order/webhook"
)

// A Row is a delivery as pages show it.
type Row struct {
	delivery.Delivery

	To string // the webhook's host; empty for mail
}

// Due tells whether it is to be sent as soon as can be.
func (r Row) Due(now time.Time) bool { return r.NextAt != nil && r.NextAt.Before(now) }

// OfOrder is the order that the event is about; nil if it is about none.
func (r Row) OfOrder() *uuid.UUID {
	if r.EventType == event.EndpointTest {
		return nil
	}

	return r.OrderID
}

func rows(found []delivery.Delivery, webhooks []delivery.Endpoint) (shown []Row) {
	for _, d := range found {
		r := Row{Delivery: d}
		if at := slices.IndexFunc(webhooks, func(e delivery.Endpoint) bool { return e.ID == d.EndpointID }); at >= 0 {
			r.To = webhooks[at].Host()
		}

		shown = append(shown, r)
	}

	return shown
}

// maxOfOrder bounds the deliveries of an order's page: the newest.
const maxOfOrder = 50

// OfOrder lists the newest deliveries of an order's events.
func OfOrder(ctx context.Context, q db.Querier, id uuid.UUID) ([]Row, error) {
	found, err := delivery.Deliveries(ctx, q, delivery.Filter{OrderID: id}, 0, maxOfOrder)
	if err != nil || len(found) == 0 {
		return nil, err //nolint:wrapcheck // it says what was done
	}

	list, err := delivery.List(ctx, q)

	return rows(found, list), err //nolint:wrapcheck // as above
}

type deliveriesPage struct {
	page.Links

	Deliveries []Row
	Webhooks   []delivery.Endpoint
	States     []delivery.State
	Types      []event.Type
	Filter     deliveryFilter
	Filtered   bool
}

// A deliveryFilter is what the form above the list has.
type deliveryFilter struct {
	Webhook, Order string
	State          delivery.State
	Type           event.Type
	From, To       string
}

// filterOf reads the form above the list.
func filterOf(r *http.Request) (shown deliveryFilter, f delivery.Filter, err error) {
	shown = deliveryFilter{
		Webhook: page.Text(r, "webhook"), Order: page.Text(r, "order"), State: delivery.State(page.Text(r, "state")),
		Type: event.Type(page.Text(r, "type")), From: page.Text(r, "from"), To: page.Text(r, "to"),
	}
	f = delivery.Filter{State: shown.State, Type: shown.Type}

	for text, id := range map[string]*uuid.UUID{shown.Webhook: &f.EndpointID, shown.Order: &f.OrderID} {
		if text == "" {
			continue
		}

		if *id, err = uuid.Parse(text); err != nil {
			return shown, f, order.Errorf(order.Invalid, "%q is no id; an id is a UUID.", text)
		}
	}

	if f.Since.At, err = page.TimeOf(shown.From); err != nil {
		return shown, f, err
	}

	if f.Until.At, err = page.TimeOf(shown.To); err != nil {
		return shown, f, err
	}

	return shown, f, page.CheckPeriod(f.Since.At, f.Until.At)
}

var deliveryList = operation.List[delivery.Delivery, int64]{
	Name:     "console-deliveries",
	Position: func(d delivery.Delivery) int64 { return d.ID },
}

func (s *service) deliveries(r *http.Request) (page.View, error) {
	ctx := r.Context()
	v := page.View{Template: "deliveries", Title: "Deliveries", Section: "webhooks", Refresh: 5}

	shown, filter, err := filterOf(r)
	if err != nil {
		return v, err
	}

	p := deliveriesPage{
		States: delivery.States(), Types: event.Types(), Filter: shown, Filtered: shown != (deliveryFilter{}),
	}

	found, next, err := deliveryList.Page(page.Of(r), func(before *int64, limit int) (found []delivery.Delivery, err error) {
		err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
			if p.Webhooks, err = delivery.List(ctx, tx); err != nil {
				return err
			}

			if before == nil {
				before = new(int64)
			}

			found, err = delivery.Deliveries(ctx, tx, filter, *before, limit)

			return err
		})

		return found, err
	})

	p.Deliveries, p.Links = rows(found, p.Webhooks), page.LinksOf(r, next)
	v.Data = p

	if p.First != "" {
		v.Refresh = 0
	}

	return v, err
}

func (s *service) redeliver(r *http.Request) (string, error) {
	ctx := r.Context()

	id, err := strconv.ParseInt(r.PathValue("delivery"), 10, 64)
	if err != nil {
		return "", order.Errorf(order.NotFound, "%q is no delivery; its id is a number.", r.PathValue("delivery"))
	}

	var d delivery.Delivery

	err = db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		d, err = webhook.Redeliver(ctx, tx, id, access.Actor(ctx))

		return err
	})

	return fmt.Sprintf("/console/deliveries?webhook=%s&done=redelivered", d.EndpointID), err
}
