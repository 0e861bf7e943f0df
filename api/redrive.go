package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

func (s *service) registerRedrives() {
	letter := exampleLetter()
	operation := uuid.MustParse("0c8d8e9c-6f7c-4b8e-9a53-3b0d2f3a7c11")
	newJob := letter.JobID + 1
	done := flow.Redriven{JobID: letter.JobID, Outcome: flow.OutcomeRedriven, NewJobID: &newJob}

	register(s, huma.Operation{
		OperationID:  "redrive-dead-letter",
		Method:       http.MethodPost,
		Path:         "/dead-letters/{job_id}/redrive",
		MaxBodyBytes: maxSmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Do a dead letter's work again",
		Description: "Makes a new job with all its attempts before it, and closes the letter. When that is not called for, `outcome` " +
			"says why. Sent again with the same `operation_id`, it does nothing and answers the same.",
	}, contract{
		request:  redriveRequest{Note: "the table is back"},
		response: redriveAnswer{OperationID: operation, Redriven: done},
		answer:   "What came of it",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.redriveLetter)

	closed := letter
	closed.ResolvedAt, closed.Resolution = letter.AttentionAt, db.ResolvedDismissed
	closed.ResolvedBy, closed.Note = actor, "the points were given by hand"

	register(s, huma.Operation{
		OperationID:  "resolve-dead-letter",
		Method:       http.MethodPost,
		Path:         "/dead-letters/{job_id}/resolve",
		MaxBodyBytes: maxSmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Close a dead letter",
		Description:  "Nothing is to be done about it, and the reason is kept. Sent again, it changes nothing.",
	}, contract{
		request:  resolveRequest{Reason: closed.Note},
		response: closed,
		answer:   "The dead letter, closed",
		refusals: []order.Code{order.NotFound, order.LetterResolved, order.Unavailable},
	}, s.resolveLetter)

	register(s, huma.Operation{
		OperationID:  "redrive-dead-letters",
		Method:       http.MethodPost,
		Path:         "/dead-letters/redrive",
		MaxBodyBytes: maxSmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Do the work of many dead letters again",
		Description: "Redrives the open letters that fit all that is given of `kind`, `signature`, `order_id` and `reason`, those " +
			"that have waited longest first. With `dry_run` it writes nothing and says what would come of each. An operation that " +
			"is sent again with its `operation_id` does nothing and answers the same; the next letters want a new one.",
	}, contract{
		request: bulkRequest{Kind: letter.Kind, Signature: letter.Signature, DryRun: true, Limit: 100},
		response: bulkAnswer{
			OperationID: operation, DryRun: true, Outcomes: map[flow.Outcome]int{flow.OutcomeEligible: 1},
			Letters: []flow.Redriven{{JobID: letter.JobID, Outcome: flow.OutcomeEligible}},
		},
		answer:   "What came of it, or would",
		refusals: []order.Code{order.Unavailable},
	}, s.redriveLetters)
}

type redriveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Note        string     `json:"note,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Why, in words"`
	OperationID *uuid.UUID `json:"operation_id,omitempty" format:"uuid" doc:"Names this act, so that sending it again does nothing twice; a new one by default"`
}

type redriveInput struct {
	LetterKey

	Body redriveRequest
}

type redriveAnswer struct {
	flow.Redriven

	OperationID uuid.UUID `json:"operation_id" format:"uuid" doc:"The act's name"`
}

func (s *service) redriveLetter(ctx context.Context, in *redriveInput) (*answer[redriveAnswer], error) {
	operation, err := operationID(in.Body.OperationID)
	if err != nil {
		return nil, err
	}

	out := &answer[redriveAnswer]{Body: redriveAnswer{OperationID: operation}}

	err = db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		out.Body.Redriven, err = flow.RedriveLetter(ctx, tx, s.Queue, flow.Redrive{
			JobID: in.JobID, OperationID: operation, Actor: actor, Note: in.Body.Note,
		})

		return err
	})

	return out, err
}

// operationID is the act's name, a new one unless the client has given it one.
func operationID(given *uuid.UUID) (uuid.UUID, error) {
	if given != nil {
		return *given, nil
	}

	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("make operation id: %w", err)
	}

	return id, nil
}

type resolveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Reason string `json:"reason" minLength:"1" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Why nothing is to be done"`
}

type resolveInput struct {
	LetterKey

	Body resolveRequest
}

func (s *service) resolveLetter(ctx context.Context, in *resolveInput) (*answer[db.DeadLetterWhole], error) {
	out := &answer[db.DeadLetterWhole]{}

	err := db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		out.Body, err = flow.ResolveLetter(ctx, tx, in.JobID, actor, in.Body.Reason)

		return err
	})

	return out, err
}
