package webhook

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/delivery"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/webhook"
)

type actInput struct {
	operation.IdempotencyKey

	ID operation.ID `path:"id" doc:"The webhook's id"`
}

type disableRequest struct {
	_ struct{} `additionalProperties:"false"`

	Reason operation.Reason `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in words"`
}

type disableInput struct {
	operation.IdempotencyKey

	ID   operation.ID `path:"id" doc:"The webhook's id"`
	Body disableRequest
}

func (s *service) registerActs(api huma.API) {
	act := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Path: "/webhooks/{id}/" + path, Tags: []string{"webhooks"}, Summary: summary, Description: description,
		}
	}

	disabled := exampleHook
	disabled.State, disabled.DisabledAt = delivery.Disabled, &exampleTime
	disabled.DisabledReason, disabled.DisabledBy = "The shop moves.", "alice"

	operation.RegisterPost(api, act("rotate-webhook", "rotate", "Give a webhook another secret",
		"Makes another secret, and returns it once. For 24 hours events are signed with both, so that the receiver can change."),
		operation.Contract{
			Roles: access.ToOperate, Response: exampleSecret, Returns: "The webhook with its new secret",
			Refusals: []order.Code{order.NotFound},
		}, s.rotate)

	disable := act("disable-webhook", "disable", "Disable a webhook",
		"Sends nothing any more. What happens meanwhile is sent when the webhook is enabled, as long as events are kept.")
	disable.MaxBodyBytes = operation.SmallBody
	operation.RegisterPost(api, disable, operation.Contract{
		Roles: access.ToOperate, Request: disableRequest{Reason: "The shop moves."}, Response: disabled, Returns: "The webhook",
		Refusals: []order.Code{order.NotFound},
	}, s.disable)

	operation.RegisterPost(api, act("enable-webhook", "enable", "Enable a webhook",
		"Sends events again at once: those from before, too. A pause ends."),
		operation.Contract{
			Roles: access.ToOperate, Response: exampleHook, Returns: "The webhook", Refusals: []order.Code{order.NotFound},
		}, s.enable)

	operation.RegisterPost(api, act("test-webhook", "test", "Send a test event",
		"Lets an event of type `endpoint.test` be sent. It tells of no order, and its data is a random id. "+
			"Read the delivery to learn what came of it."),
		operation.Contract{
			Roles: access.ToOperate, Response: exampleDelivery, Returns: "The delivery",
			Refusals: []order.Code{order.NotFound, order.StateConflict},
		}, s.test)
}

func (s *service) rotate(ctx context.Context, in *actInput, r idempotency.Request) (WithSecret, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (WithSecret, error) {
		e, err := webhook.Rotate(ctx, tx, uuid.UUID(in.ID), access.Actor(ctx))

		return WithSecret{Webhook: Of(e), Secret: e.Secret}, err
	})
}

func (s *service) disable(ctx context.Context, in *disableInput, r idempotency.Request) (Webhook, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (Webhook, error) {
		e, err := webhook.Disable(ctx, tx, uuid.UUID(in.ID), string(in.Body.Reason), access.Actor(ctx))

		return Of(e), err
	})
}

func (s *service) enable(ctx context.Context, in *actInput, r idempotency.Request) (Webhook, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (Webhook, error) {
		e, err := webhook.Enable(ctx, tx, s.Queue, uuid.UUID(in.ID), access.Actor(ctx))

		return Of(e), err
	})
}

func (s *service) test(ctx context.Context, in *actInput, r idempotency.Request) (Delivery, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (Delivery, error) {
		d, err := webhook.Test(ctx, tx, s.Queue, uuid.UUID(in.ID), access.Actor(ctx))

		return DeliveryOf(d), err
	})
}
