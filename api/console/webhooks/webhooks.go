// Package webhooks has the pages about webhooks and deliveries: where events are sent, and what became of each.
package webhooks

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/console/page"
	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/flow"
	"orders/order/webhook"
)

// Options are what the pages work with.
type Options struct {
	Pool         *pgxpool.Pool
	Queue        *flow.Queue
	AllowPrivate bool // webhooks may have addresses that are not public
}

type service struct{ Options }

// Routes are those of the pages.
func Routes(site *page.Site, o Options) []page.Route {
	s := &service{o}

	return []page.Route{
		site.Get("/console/webhooks", s.webhooks),
		site.PostShown("/console/webhooks", s.create, s.webhooks),
		site.Get("/console/webhooks/{id}", s.webhook),
		site.PostShown("/console/webhooks/{id}/rotate", s.rotate, s.webhook),
		site.Post("/console/webhooks/{id}/test", s.test, s.webhook),
		site.Post("/console/webhooks/{id}/enable", s.enable, s.webhook),
		site.Post("/console/webhooks/{id}/disable", s.disable, s.webhook),
		site.Get("/console/deliveries", s.deliveries),
		site.Post("/console/deliveries/{delivery}/redeliver", s.redeliver, s.deliveries),
	}
}

type webhooksPage struct {
	Webhooks []delivery.Endpoint
	Types    []event.Type
	URL      string       // what the form had
	Chosen   []event.Type // as well
}

// Is tells whether the form had chosen the type.
func (p webhooksPage) Is(t event.Type) bool { return slices.Contains(p.Chosen, t) }

func (s *service) webhooks(r *http.Request) (page.View, error) {
	list, err := delivery.List(r.Context(), s.Pool)
	p := webhooksPage{Webhooks: list, Types: event.Types(), URL: page.Text(r, "url"), Chosen: chosen(r)}

	return page.View{Template: "webhooks", Title: "Webhooks", Section: "webhooks", Refresh: 5, Data: p}, err
}

// chosen are the types of events in a form, in the order of the program.
func chosen(r *http.Request) (types []event.Type) {
	for _, t := range event.Types() {
		if slices.Contains(r.PostForm["type"], string(t)) {
			types = append(types, t)
		}
	}

	return types
}

type webhookPage struct {
	Webhook    delivery.Endpoint
	Deliveries []Row
}

// maxNewest bounds the deliveries of a webhook's page: the newest.
const maxNewest = 10

func (s *service) webhook(r *http.Request) (page.View, error) {
	v := page.View{Template: "webhook", Title: "Webhook", Section: "webhooks", Refresh: 2}

	id, err := page.PathID(r, "id")
	if err != nil {
		return v, err
	}

	ctx := r.Context()

	var p webhookPage

	err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) error {
		list, err := delivery.List(ctx, tx)
		if err != nil {
			return err
		}

		at := slices.IndexFunc(list, func(e delivery.Endpoint) bool { return e.ID == id })
		if at < 0 {
			return order.Errorf(order.NotFound, "There is no such webhook.")
		}

		p.Webhook = list[at]

		found, err := delivery.Deliveries(ctx, tx, delivery.Filter{EndpointID: id}, 0, maxNewest)
		p.Deliveries = rows(found, list)

		return err
	})
	v.Title, v.Data = "Webhook to "+p.Webhook.Host(), p

	return v, err
}

// A secretPage is what is shown once.
type secretPage struct {
	ID     uuid.UUID
	Host   string
	Secret string
	New    bool // the webhook is new; else its secret is
}

func (s *service) create(r *http.Request) (page.View, error) {
	n := webhook.New{URL: page.Text(r, "url"), Types: chosen(r), AllowPrivate: s.AllowPrivate}

	return s.shown(r, "create-webhook", true, []any{n.URL, n.Types}, func(ctx context.Context, tx pgx.Tx) (delivery.Endpoint, error) {
		return webhook.Create(ctx, tx, s.Queue, n, access.Actor(ctx))
	})
}

func (s *service) rotate(r *http.Request) (page.View, error) {
	id, err := page.PathID(r, "id")
	if err != nil {
		return page.View{}, err
	}

	return s.shown(r, "rotate-webhook", false, []any{id}, func(ctx context.Context, tx pgx.Tx) (delivery.Endpoint, error) {
		return webhook.Rotate(ctx, tx, id, access.Actor(ctx))
	})
}

// shown does an act that makes a secret, and shows it. A form that is sent twice makes one, and shows it each time.
func (s *service) shown(
	r *http.Request, name string, isNew bool, parts []any, do func(context.Context, pgx.Tx) (delivery.Endpoint, error),
) (page.View, error) {
	ctx := r.Context()

	form, err := page.FormID(r)
	if err != nil {
		return page.View{}, err
	}

	hash, err := idempotency.HashOf(parts...)
	if err != nil {
		return page.View{}, err
	}

	request := idempotency.Request{Client: access.ClientOf(ctx), Key: form.String(), Operation: name, Hash: hash}

	p, _, err := idempotency.InTx(ctx, s.Pool, request, func(tx pgx.Tx) (secretPage, error) {
		e, err := do(ctx, tx)

		return secretPage{e.ID, e.Host(), e.Secret, isNew}, err
	})

	return page.View{Template: "secret", Title: "Secret of a webhook", Section: "webhooks", Data: p}, err
}

// A doing is an act on a webhook.
type doing func(ctx context.Context, tx pgx.Tx, id uuid.UUID, by order.Actor) error

// act does what a button of a webhook's page asks for.
func (s *service) act(r *http.Request, done string, do doing) (string, error) {
	ctx := r.Context()

	id, err := page.PathID(r, "id")
	if err != nil {
		return "", err
	}

	return "/console/webhooks/" + id.String() + "?done=" + done, db.InTx(ctx, s.Pool, func(tx pgx.Tx) error {
		return do(ctx, tx, id, access.Actor(ctx))
	})
}

func (s *service) test(r *http.Request) (string, error) {
	return s.act(r, "tested", func(ctx context.Context, tx pgx.Tx, id uuid.UUID, by order.Actor) error {
		_, err := webhook.Test(ctx, tx, s.Queue, id, by)

		return err
	})
}

func (s *service) enable(r *http.Request) (string, error) {
	return s.act(r, "enabled", func(ctx context.Context, tx pgx.Tx, id uuid.UUID, by order.Actor) error {
		_, err := webhook.Enable(ctx, tx, s.Queue, id, by)

		return err
	})
}

func (s *service) disable(r *http.Request) (string, error) {
	return s.act(r, "disabled", func(ctx context.Context, tx pgx.Tx, id uuid.UUID, by order.Actor) error {
		_, err := webhook.Disable(ctx, tx, id, page.Text(r, "reason"), by)

		return err
	})
}
