package operator

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/db/deadletter"
	"orders/db/idempotency"
	"orders/order"
	"orders/order/repair"
)

func exampleOperation() uuid.UUID { return uuid.MustParse("0c8d8e9c-6f7c-4b8e-9a53-3b0d2f3a7c11") }

func (s *service) registerRedrives() {
	letter := exampleLetter()
	newJob := letter.JobID + 1
	done := RedriveResult{JobID: letter.JobID, Outcome: repair.Redriven, NewJobID: &newJob}

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "redrive-dead-letter",
		Path:         "/dead-letters/{job_id}/redrive",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Do a dead letter's work again",
		Description: "Makes a new job with all its attempts, and resolves the letter. If the work must not be done again, `outcome` " +
			"says why. `operation_id` is another name for the Idempotency-Key. The body is optional.",
	}, operation.Contract{
		Roles:    access.ToOperate,
		Request:  redriveRequest{Note: "the table is back"},
		Response: redriveResponse{OperationID: exampleOperation(), RedriveResult: done},
		Returns:  "The outcome",
		Refusals: []order.Code{order.NotFound},
	}, s.redriveLetter)

	resolved := letter
	resolved.ResolvedAt, resolved.Resolution = letter.AttentionAt, operation.Optional[deadletter.Resolution](deadletter.Dismissed)
	resolved.ResolvedBy, resolved.Note = "alice", "the points were given by hand"

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "resolve-dead-letter",
		Path:         "/dead-letters/{job_id}/resolve",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Resolve a dead letter",
		Description: "Dismisses the letter: nothing is to be done, and the reason is kept. If the same reason is sent again, " +
			"nothing changes. Resolving a letter deletes its dead job from the queue.",
	}, operation.Contract{
		Roles:    access.ToOperate,
		Request:  resolveRequest{Reason: operation.Reason(resolved.Note)},
		Response: resolved,
		Returns:  "The resolved dead letter",
		Refusals: []order.Code{order.NotFound, order.LetterResolved},
	}, s.resolveLetter)

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "reopen-dead-letter",
		Path:         "/dead-letters/{job_id}/reopen",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Reopen a dead letter",
		Description: "Undoes the dismissal of the letter. It is open again and needs an operator. If it is open already, nothing " +
			"changes. A letter that was redriven, compensated or applied is refused.",
	}, operation.Contract{
		Roles:    access.ToOperate,
		Request:  resolveRequest{Reason: "dismissed by mistake"},
		Response: letter,
		Returns:  "The open dead letter",
		Refusals: []order.Code{order.NotFound, order.LetterResolved},
	}, s.reopenLetter)
}

type redriveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Note        operation.Text `json:"note,omitempty" maxLength:"500" doc:"Why, in words"`
	OperationID *operation.ID  `json:"operation_id,omitempty" doc:"Identifies this operation, as an Idempotency-Key does. Send one of them, or both with the same value. A new id by default."`
}

type redriveInput struct {
	operation.IdempotencyKey
	LetterKey

	Body *redriveRequest
}

type redriveResponse struct {
	RedriveResult

	OperationID uuid.UUID `json:"operation_id" format:"uuid" doc:"The id of the operation"`
}

// A RedriveResult is what came of the redrive of one letter.
type RedriveResult struct {
	JobID    int64          `json:"job_id"`
	Outcome  repair.Outcome `json:"outcome"`
	NewJobID *int64         `json:"new_job_id" doc:"The job that has the work now; null if none was made"`
}

func redriveResultOf(r repair.RedriveResult) RedriveResult { return RedriveResult(r) }

func (s *service) redriveLetter(
	ctx context.Context, in *redriveInput, r idempotency.Request,
) (out redriveResponse, replayed bool, err error) {
	op, err := operationOf(ctx, r, in.Body.OperationID)
	if err != nil {
		return out, false, err
	}

	op.JobIDs = []int64{in.JobID}

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.RedriveOne(ctx, tx, s.queue, repair.BulkRedrive{Operation: op, Note: string(in.Body.Note)})
		if err == nil {
			out, replayed = redriveResponse{OperationID: run.ID, RedriveResult: redriveResultOf(run.Results[0])}, run.Replayed
		}

		return err
	})

	return out, replayed, err
}

// operationOf is the operation of a request, with the client's id or a new one. The id is
// another name for the Idempotency-Key, so they must not differ.
func operationOf(ctx context.Context, r idempotency.Request, given *operation.ID) (repair.Operation, error) {
	op := repair.Operation{Client: r.Client, Key: r.Key, Actor: access.Actor(ctx)}

	if given != nil {
		op.ID = uuid.UUID(*given)

		if r.Key != "" && r.Key != op.ID.String() {
			return op, order.Errorf(order.Invalid, "The operation_id is another name for the Idempotency-Key; send one of them.")
		}

		return op, nil
	}

	id, err := uuid.NewV7()
	if err != nil {
		return op, fmt.Errorf("make operation id: %w", err)
	}

	op.ID = id

	return op, nil
}

type resolveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Reason operation.Reason `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in words"`
}

type resolveInput struct {
	operation.IdempotencyKey
	LetterKey

	Body resolveRequest
}

func (s *service) resolveLetter(ctx context.Context, in *resolveInput, r idempotency.Request) (DeadLetterDetail, bool, error) {
	return idempotency.InTx(ctx, s.pool, r, func(tx pgx.Tx) (DeadLetterDetail, error) {
		letter, err := repair.ResolveLetter(ctx, tx, in.JobID, access.Actor(ctx), string(in.Body.Reason))

		return DeadLetterDetailOf(letter), err
	})
}

func (s *service) reopenLetter(ctx context.Context, in *resolveInput, r idempotency.Request) (DeadLetterDetail, bool, error) {
	return idempotency.InTx(ctx, s.pool, r, func(tx pgx.Tx) (DeadLetterDetail, error) {
		letter, err := repair.ReopenLetter(ctx, tx, in.JobID, access.Actor(ctx), string(in.Body.Reason))

		return DeadLetterDetailOf(letter), err
	})
}
