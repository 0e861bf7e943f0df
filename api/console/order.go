package console

import (
	"cmp"
	"html/template"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/console/page"
	"orders/api/console/webhooks"
	"orders/api/problem"
	"orders/db"
	"orders/db/deadletter"
	"orders/db/idempotency"
	"orders/db/lookup"
	"orders/db/payment"
	"orders/order"
	"orders/order/explain"
	"orders/order/flow"
)

// maxEntries bounds the timeline of a page: the newest entries.
const maxEntries = 200

type orderPage struct {
	Order      order.Order
	Picture    template.HTML
	Why        explain.Answer
	Steps      []stepRow
	Others     []lookup.Job // jobs that are of no step
	Timeline   []explain.Entry
	Payment    *order.Payment
	Deliveries []webhooks.Row // of the order's events
	Cancels    bool           // the order's status allows it
}

// A stepRow is a step with its job.
type stepRow struct {
	order.StepProgress

	Job    *lookup.Job        // live; nil for none
	Letter *deadletter.Letter // the newest that is open; nil for none
	Error  string             // of the newest failed attempt, as it was recorded
}

func (c *console) order(r *http.Request) (page.View, error) {
	v := page.View{Template: "order", Section: "orders"}

	id, err := page.PathID(r, "id")
	if err != nil {
		return v, err
	}

	problem.RequestInfoOf(r.Context()).Order = id.String()

	var p orderPage

	err = db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) error { return p.read(r, tx, id, c) })
	if err != nil {
		return v, err
	}

	p.Picture = picture(p.Order)
	_, refused := p.Order.Status.Next(order.Cancel)
	p.Cancels = refused == nil && p.Order.Status != order.Cancelled

	v.Title, v.Data = "Order "+page.Tail(id), p

	if !p.Order.Settled() {
		v.Watch = "/orders/" + id.String() + "/events"
	}

	return v, nil
}

func (p *orderPage) read(r *http.Request, tx pgx.Tx, id uuid.UUID, c *console) (err error) {
	ctx := r.Context()

	if p.Order, err = db.Order(ctx, tx, id); err != nil {
		return err
	}

	if _, p.Why, err = explain.Why(ctx, tx, id, c.RedriveAfter); err != nil {
		return err
	}

	if p.Timeline, err = explain.Timeline(ctx, tx, id, maxEntries); err != nil {
		return err
	}

	if p.Deliveries, err = webhooks.OfOrder(ctx, tx, id); err != nil {
		return err
	}

	payments, err := payment.Of(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return err
	}

	if payment, paid := payments[id]; paid {
		p.Payment = &payment
	}

	jobs, err := lookup.Jobs(ctx, tx, id)
	if err != nil {
		return err
	}

	letters, err := deadletter.List(ctx, tx, deadletter.Filter{OrderID: id}, deadletter.Open, nil, maxEntries)
	if err != nil {
		return err
	}

	p.Steps, p.Others = stepRows(p.Order, jobs, letters)

	return nil
}

// stepRows joins the order's steps with their jobs and letters.
func stepRows(o order.Order, jobs []lookup.Job, letters []deadletter.Letter) (rows []stepRow, others []lookup.Job) {
	at := map[string]int{}

	for i, s := range o.Steps {
		rows = append(rows, stepRow{StepProgress: s})
		at[string(s.Name)] = i
	}

	for _, l := range letters {
		i, isStep := at[l.Kind]
		if isStep && rows[i].Letter == nil {
			rows[i].Letter, rows[i].Error = &l, l.Error
		}
	}

	for _, j := range jobs {
		i, isStep := at[j.Kind]
		if !isStep {
			others = append(others, j)

			continue
		}

		rows[i].Job = &j
		rows[i].Error = cmp.Or(j.NewestError(), rows[i].Error)
	}

	return rows, others
}

func (c *console) cancelOrder(r *http.Request) (string, error) {
	id, err := page.PathID(r, "id")
	if err != nil {
		return "", err
	}

	problem.RequestInfoOf(r.Context()).Order = id.String()

	form, err := page.FormID(r)
	if err != nil {
		return "", err
	}

	reason := page.Text(r, "reason")
	if err := order.CheckWhy(reason); err != nil {
		return "", err
	}

	hash, err := idempotency.HashOf(id, reason)
	if err != nil {
		return "", err
	}

	_, err = c.Cancel(r.Context(), flow.Cancellation{
		OrderID: id, Reason: reason, Actor: access.Actor(r.Context()),
		Request: idempotency.Request{Client: access.ClientOf(r.Context()), Key: form.String(), Operation: "cancel-order", Hash: hash},
	})

	return "/console/orders/" + id.String() + "?done=cancelled", err
}
