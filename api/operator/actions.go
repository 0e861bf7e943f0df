package operator

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/action"
	"orders/order"
)

func (s *service) registerActions() {
	order := exampleOrderID

	operation.Register(s.api, huma.Operation{
		OperationID: "list-actions",
		Method:      http.MethodGet,
		Path:        "/actions",
		Tags:        []string{"actions"},
		Summary:     "List who did what",
		Description: "Lists acts of clients and operators, the newest first: by the API, by commands, and in River UI. An action must " +
			"match all filters that are sent. Each is written in the transaction of the act, and is never changed or deleted. " +
			"Placing an order is no action. The order's timeline has the actor.",
	}, operation.Contract{
		Roles: access.ToWatch,
		Response: actionPage{Actions: []Action{{
			ID: 17, At: exampleTime, Actor: "alice", KnownBy: "token", Action: action.RedriveLetter,
			TargetKind: action.DeadLetter, TargetID: "4711", OrderID: &order,
			Detail: map[string]any{"kind": "points", "outcome": "redriven", "new_job_id": 4712},
		}}},
		Returns: "A page of actions",
	}, s.listActions)
}

// An Action is what somebody did.
type Action struct {
	ID         int64                `json:"id"`
	At         time.Time            `json:"at"`
	Actor      string               `json:"actor" doc:"The name of the token, the user that the proxy named, or cli: with the user of the machine"`
	KnownBy    order.Identification `json:"known_by"`
	Action     action.Name          `json:"action"`
	TargetKind action.Kind          `json:"target_kind"`
	TargetID   string               `json:"target_id" doc:"The order, product, dead letter, job, queue or token that was acted on"`
	OrderID    *uuid.UUID           `json:"order_id" format:"uuid" nullable:"true" doc:"The order of the dead letter or the job; null if there is none, and if the target is the order"`
	Detail     map[string]any       `json:"detail" nullable:"false" doc:"What was done, in fields that depend on the action"`
}

// ActionOf is an action as clients see it.
func ActionOf(a action.Recorded) Action { return Action(a) }

type listActionsInput struct {
	operation.Page
	operation.Period

	Actor      operation.Text `query:"actor" maxLength:"200" doc:"Only what this actor did"`
	Action     action.Name    `query:"action" doc:"Only this action"`
	TargetKind action.Kind    `query:"target_kind" doc:"Only what was done to targets of this kind"`
	TargetID   operation.Text `query:"target_id" maxLength:"200" doc:"Only what was done to this target"`
	OrderID    operation.ID   `query:"order_id" doc:"Only what was done to this order, its dead letters and its jobs"`
}

type actionPage struct {
	Actions []Action `json:"actions" nullable:"false"`

	operation.NextPage
}

var actionList = operation.List[action.Recorded, action.Position]{
	Name:     "actions.1",
	Position: func(a action.Recorded) action.Position { return action.Position{At: a.At, ID: a.ID} },
}

func (s *service) listActions(ctx context.Context, in *listActionsInput) (actionPage, error) {
	since, until, err := in.Moments()
	if err != nil {
		return actionPage{}, err //nolint:wrapcheck // a refusal
	}

	filter := action.Filter{
		Actor: string(in.Actor), Action: in.Action, TargetKind: in.TargetKind, TargetID: string(in.TargetID),
		OrderID: uuid.UUID(in.OrderID), Since: since, Until: until,
	}

	actions, next, err := actionList.Page(in.Page, func(after *action.Position, limit int) ([]action.Recorded, error) {
		return action.List(ctx, s.pool, filter, after, limit)
	})

	return actionPage{Actions: operation.Each(actions, ActionOf), NextPage: next}, err
}
