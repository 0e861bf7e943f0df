package operator

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/operation"
	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/repair"
)

func exampleOperation() uuid.UUID { return uuid.MustParse("0c8d8e9c-6f7c-4b8e-9a53-3b0d2f3a7c11") }

func (s *service) registerRedrives() {
	letter := exampleLetter()
	newJob := letter.JobID + 1
	done := RedriveResult{JobID: letter.JobID, Outcome: repair.Redriven, NewJobID: &newJob}

	operation.Register(s.api, huma.Operation{
		OperationID:  "redrive-dead-letter",
		Method:       http.MethodPost,
		Path:         "/dead-letters/{job_id}/redrive",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Do a dead letter's work again",
		Description: "Makes a new job with all its attempts, and resolves the letter. If the work must not be done again, `outcome` " +
			"says why. If the same `operation_id` is sent again, nothing changes and the response is the same. With another " +
			"request, it is refused. The body is optional.",
	}, operation.Contract{
		Request:  redriveRequest{Note: "the table is back"},
		Response: redriveResponse{OperationID: exampleOperation(), RedriveResult: done},
		Returns:  "The outcome",
		Refusals: []order.Code{order.NotFound, order.OperationReused},
	}, s.redriveLetter)

	resolved := letter
	resolved.ResolvedAt, resolved.Resolution = letter.AttentionAt, operation.Optional[deadletter.Resolution](deadletter.Dismissed)
	resolved.ResolvedBy, resolved.Note = operation.Actor, "the points were given by hand"

	operation.Register(s.api, huma.Operation{
		OperationID:  "resolve-dead-letter",
		Method:       http.MethodPost,
		Path:         "/dead-letters/{job_id}/resolve",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Resolve a dead letter",
		Description: "Dismisses the letter: nothing is to be done, and the reason is kept. If the same reason is sent again, " +
			"nothing changes. Resolving a letter deletes its dead job from the queue.",
	}, operation.Contract{
		Request:  resolveRequest{Reason: operation.Text(resolved.Note)},
		Response: resolved,
		Returns:  "The resolved dead letter",
		Refusals: []order.Code{order.NotFound, order.LetterResolved},
	}, s.resolveLetter)

	operation.Register(s.api, huma.Operation{
		OperationID:  "reopen-dead-letter",
		Method:       http.MethodPost,
		Path:         "/dead-letters/{job_id}/reopen",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Reopen a dead letter",
		Description: "Undoes the dismissal of the letter. It is open again and needs an operator. If it is open already, nothing " +
			"changes. A letter that was redriven, compensated or applied is refused.",
	}, operation.Contract{
		Request:  resolveRequest{Reason: "dismissed by mistake"},
		Response: letter,
		Returns:  "The open dead letter",
		Refusals: []order.Code{order.NotFound, order.LetterResolved},
	}, s.reopenLetter)
}

type redriveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Note        operation.Text `json:"note,omitempty" maxLength:"500" doc:"Why, in words"`
	OperationID *operation.ID  `json:"operation_id,omitempty" doc:"Identifies this operation, so that sending it again changes nothing; a new id by default"`
}

type redriveInput struct {
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

func (s *service) redriveLetter(ctx context.Context, in *redriveInput) (redriveResponse, error) {
	var request redriveRequest
	if in.Body != nil {
		request = *in.Body
	}

	act, err := operationID(request.OperationID)
	if err != nil {
		return redriveResponse{}, err
	}

	out := redriveResponse{OperationID: act}

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		result, err := repair.RedriveOne(ctx, tx, s.queue, repair.BulkRedrive{
			Operation: repair.Operation{ID: act, JobIDs: []int64{in.JobID}, Actor: operation.Actor}, Note: string(request.Note),
		})
		out.RedriveResult = redriveResultOf(result)

		return err
	})

	return out, err
}

// operationID is the id of the operation: the client's, or a new one.
func operationID(given *operation.ID) (uuid.UUID, error) {
	if given != nil {
		return uuid.UUID(*given), nil
	}

	id, err := uuid.NewV7()
	if err != nil {
		return id, fmt.Errorf("make operation id: %w", err)
	}

	return id, nil
}

type resolveRequest struct {
	_ struct{} `additionalProperties:"false"`

	Reason operation.Text `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in words"`
}

type resolveInput struct {
	LetterKey

	Body resolveRequest
}

func (s *service) resolveLetter(ctx context.Context, in *resolveInput) (out DeadLetterDetail, err error) {
	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		letter, err := repair.ResolveLetter(ctx, tx, in.JobID, operation.Actor, string(in.Body.Reason))
		out = DeadLetterDetailOf(letter)

		return err
	})

	return out, err
}

func (s *service) reopenLetter(ctx context.Context, in *resolveInput) (out DeadLetterDetail, err error) {
	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		letter, err := repair.ReopenLetter(ctx, tx, in.JobID, operation.Actor, string(in.Body.Reason))
		out = DeadLetterDetailOf(letter)

		return err
	})

	return out, err
}
