// Package webhook has the operations about webhooks, to which events are sent, and what became of each event.
package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/order/flow"
	"orders/order/webhook"
)

// Options configure [Register].
type Options struct {
	Pool         *pgxpool.Pool
	Queue        *flow.Queue
	AllowPrivate bool // webhooks may have addresses that are not public
}

type service struct{ Options }

var (
	exampleTime = time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)
	exampleID   = uuid.MustParse("7f3c0a52-93a1-4d0e-9a0e-0f6a3f1c2b11")
	exampleHook = Webhook{
		ID: exampleID, URL: "https://shop.example/events", Types: []event.Type{event.Confirmed, event.Rejected}, State: delivery.Active,
		CreatedAt: exampleTime, CreatedBy: "alice", LastAt: &exampleTime, LastStatus: http.StatusNoContent,
	}
	exampleSecret = WithSecret{Webhook: exampleHook, Secret: delivery.SecretPrefix + "Yz0vK0tXc0pCZmRtU3pqN2ZQZ2xRb1VxT0dwS3h2c1E="}
)

// Register adds the operations.
func Register(api huma.API, o Options) {
	s := &service{o}

	operation.Register(api, huma.Operation{
		OperationID: "list-webhooks", Method: http.MethodGet, Path: "/webhooks", Tags: []string{"webhooks"},
		Summary:     "List webhooks",
		Description: "Lists all webhooks with how they are, the newest first, without their secrets.",
	}, operation.Contract{
		Roles: access.ToWatch, Response: webhookList{Webhooks: []Webhook{exampleHook}}, Returns: "The webhooks",
	}, s.list)

	operation.RegisterPost(api, huma.Operation{
		OperationID: "create-webhook", Path: "/webhooks", Tags: []string{"webhooks"}, DefaultStatus: http.StatusCreated,
		MaxBodyBytes: operation.SmallBody,
		Summary:      "Create a webhook",
		Description: "Sends each event of the types to the URL from now on, as a CloudEvent that is signed after Standard Webhooks. " +
			"The response has the secret, which is not shown again. An event arrives at least once, and its `webhook-id` stays the same: " +
			"skip one that you know. Respond with 2xx within 15 seconds. Otherwise it is sent again, for three days. " +
			"410 disables the webhook.",
	}, operation.Contract{
		Roles:   access.ToOperate,
		Request: createRequest{URL: exampleHook.URL, Types: exampleHook.Types}, Response: exampleSecret,
		Returns: "The webhook with its secret",
	}, s.create)

	s.registerActs(api)
	s.registerDeliveries(api)
}

// A Webhook is where events are sent to.
type Webhook struct {
	ID             uuid.UUID              `json:"id" format:"uuid"`
	URL            string                 `json:"url" format:"uri"`
	Types          []event.Type           `json:"types" nullable:"false" doc:"Only events of these types; all if it is empty"`
	State          delivery.EndpointState `json:"state"`
	CreatedAt      time.Time              `json:"created_at"`
	CreatedBy      string                 `json:"created_by"`
	DisabledAt     *time.Time             `json:"disabled_at" doc:"Null if it is not disabled"`
	DisabledReason string                 `json:"disabled_reason" doc:"Empty if it is not disabled"`
	DisabledBy     string                 `json:"disabled_by" doc:"Who has disabled it; empty if it is not disabled, or was disabled by its answers: 410, or none for five days"`
	FailingSince   *time.Time             `json:"failing_since" doc:"Since when nothing has arrived; null if the last ones have"`
	PausedUntil    *time.Time             `json:"paused_until" doc:"It has failed again and again: nothing is sent before, and then one event tries. Null if it is not paused."`
	LastAt         *time.Time             `json:"last_at" doc:"Of the last attempt; null before the first"`
	LastStatus     int                    `json:"last_status" doc:"HTTP status of the last answer; 0 if there was none"`
	LastAnswer     string                 `json:"last_answer" doc:"The beginning of the last answer, or why there was none"`
	Waiting        int                    `json:"waiting" doc:"Deliveries that are sent again, counted up to 10000"`
	Gaps           int                    `json:"gaps" doc:"How often events were deleted before they could be sent, as it was away for too long"`
}

// Of is a webhook as clients see it.
func Of(e delivery.Endpoint) Webhook {
	w := Webhook{
		ID: e.ID, URL: e.URL, Types: e.Types, State: e.State(), CreatedAt: e.CreatedAt, CreatedBy: e.CreatedBy, DisabledAt: e.DisabledAt,
		FailingSince: e.FailingSince, PausedUntil: e.PausedUntil, LastAt: e.LastAt, LastStatus: e.LastStatus, LastAnswer: e.LastAnswer,
		Waiting: e.Waiting, Gaps: e.Gaps,
	}
	if e.DisabledReason != nil {
		w.DisabledReason = *e.DisabledReason
	}

	if e.DisabledBy != nil {
		w.DisabledBy = *e.DisabledBy
	}

	return w
}

// WithSecret is a webhook with its secret, which is shown once.
type WithSecret struct {
	Webhook

	Secret string `json:"secret" doc:"Verify signatures with it. It is not shown again."`
}

type webhookList struct {
	Webhooks []Webhook `json:"webhooks" nullable:"false"`
}

func (s *service) list(ctx context.Context, _ *struct{}) (webhookList, error) {
	list, err := delivery.List(ctx, s.Pool)

	return webhookList{Webhooks: operation.Each(list, Of)}, err
}

type createRequest struct {
	_ struct{} `additionalProperties:"false"`

	URL   string       `json:"url" minLength:"1" maxLength:"2000" doc:"Where to send events: https, with a public address"`
	Types []event.Type `json:"types,omitempty" nullable:"false" maxItems:"20" doc:"Only events of these types; without it, all"`
}

type createInput struct {
	operation.IdempotencyKey

	Body createRequest
}

func (s *service) create(ctx context.Context, in *createInput, r idempotency.Request) (WithSecret, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (WithSecret, error) {
		e, err := webhook.Create(ctx, tx, s.Queue, webhook.New{
			URL: in.Body.URL, Types: in.Body.Types, AllowPrivate: s.AllowPrivate,
		}, access.Actor(ctx))

		return WithSecret{Webhook: Of(e), Secret: e.Secret}, err
	})
}
