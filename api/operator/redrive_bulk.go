package operator

import (
	"context"

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

func (s *service) registerBulkRedrive() {
	letter := exampleLetter()

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "redrive-dead-letters",
		Path:         "/dead-letters/redrive",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Do the work of many dead letters again",
		Description: "Redrives the open dead letters that match each given field of `kind`, `signature`, `order_id`, `reason`, " +
			"`since` and `until`; give " +
			"at least one. The oldest letters come first. With `dry_run` it writes nothing and returns the outcome that each letter " +
			"would have. " +
			"`operation_id` is another name for the Idempotency-Key. If it is sent again, nothing changes and the response is the " +
			"same. To redrive more letters, use a new one. A dry run ignores it.",
	}, operation.Contract{
		Roles: access.ToOperate,
		Request: bulkRedriveRequest{
			LetterSelection: LetterSelection{
				Kind: operation.Text(letter.Kind), Signature: operation.Text(letter.Signature), DryRun: true, Limit: 100,
			},
		},
		Response: BulkRedriveResultOf(exampleOperation(), true, []repair.RedriveResult{
			{JobID: letter.JobID, Outcome: repair.Eligible},
		}),
		Returns: "The outcomes; with dry_run, the outcomes that the letters would have",
	}, s.redriveLetters)
}

// LetterSelection says which open dead letters an act is about. Exported, as huma skips
// embedded structs that are not.
type LetterSelection struct {
	Kind        operation.Text    `json:"kind,omitempty" maxLength:"128" doc:"Only jobs of this kind. A kind that neither the program nor a dead letter has is refused."`
	Signature   operation.Text    `json:"signature,omitempty" maxLength:"250" doc:"Only dead letters with this signature"`
	OrderID     *operation.ID     `json:"order_id,omitempty" doc:"Only dead letters of this order"`
	Reason      deadletter.Reason `json:"reason,omitempty" doc:"Only dead letters with this reason"`
	Since       operation.Moment  `json:"since,omitempty" doc:"Only dead letters that were given up then or later: a time, a date (UTC), or a time before now such as now-2h"`
	Until       operation.Moment  `json:"until,omitempty" doc:"Only dead letters that were given up before, given as since is"`
	DryRun      bool              `json:"dry_run,omitempty" doc:"Write nothing, and return the outcome that each dead letter would have"`
	Limit       int               `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"The largest number of dead letters, the oldest first"`
	OperationID *operation.ID     `json:"operation_id,omitempty" doc:"Identifies this operation, as an Idempotency-Key does. Send one of them, or both with the same value. A new id by default."`
}

type bulkRedriveRequest struct {
	_ struct{} `additionalProperties:"false"`

	LetterSelection

	Rate float64        `json:"rate,omitempty" minimum:"0.01" maximum:"10000" doc:"How many of the new jobs may begin in a second; without it, all at once"`
	Note operation.Text `json:"note,omitempty" maxLength:"500" doc:"Why, in words"`
}

// operation is the operation on the letters of the selection. A selection without any
// condition is refused, so that nobody changes all letters by mistake. A kind that neither
// the program nor a letter has is refused, too.
func (l LetterSelection) operation(ctx context.Context, q db.Querier, r idempotency.Request) (repair.Operation, error) {
	filter, err := l.filter()
	if err != nil {
		return repair.Operation{}, err
	}

	if err := repair.CheckKind(ctx, q, filter.Kind); err != nil {
		return repair.Operation{}, err
	}

	op, err := operationOf(ctx, r, l.OperationID)
	op.Filter, op.Limit = filter, l.Limit

	return op, err
}

func (l LetterSelection) filter() (filter deadletter.Filter, err error) {
	filter = deadletter.Filter{Kind: string(l.Kind), Signature: string(l.Signature), Reason: l.Reason}
	if filter.Since, filter.Until, err = operation.MomentsOf(l.Since, l.Until); err != nil {
		return filter, err
	}

	if l.OrderID != nil {
		filter.OrderID = uuid.UUID(*l.OrderID)
	}

	if filter == (deadletter.Filter{}) {
		return filter, order.Errorf(order.Invalid,
			"Say which dead letters: give at least one of kind, signature, order_id, reason, since and until.")
	}

	return filter, nil
}

// A BulkRedriveResult is what came of the redrive of many letters.
type BulkRedriveResult struct {
	OperationID uuid.UUID              `json:"operation_id" format:"uuid" doc:"The id of the operation"`
	DryRun      bool                   `json:"dry_run"`
	Outcomes    map[repair.Outcome]int `json:"outcomes" doc:"How many dead letters have each outcome"`
	Letters     []RedriveResult        `json:"letters" nullable:"false"`
}

// BulkRedriveResultOf is what came of a redrive, as clients see it.
func BulkRedriveResultOf(operationID uuid.UUID, dryRun bool, results []repair.RedriveResult) BulkRedriveResult {
	outcomes := map[repair.Outcome]int{}
	for _, r := range results {
		outcomes[r.Outcome]++
	}

	letters := operation.Each(results, redriveResultOf)

	return BulkRedriveResult{OperationID: operationID, DryRun: dryRun, Outcomes: outcomes, Letters: letters}
}

type bulkRedriveInput struct {
	operation.IdempotencyKey

	Body bulkRedriveRequest
}

func (s *service) redriveLetters(
	ctx context.Context, in *bulkRedriveInput, r idempotency.Request,
) (out BulkRedriveResult, replayed bool, err error) {
	op, err := in.Body.operation(ctx, s.pool, r)
	if err != nil {
		return out, false, err
	}

	bulk := repair.BulkRedrive{Operation: op, Note: string(in.Body.Note), Rate: in.Body.Rate}

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.RedriveMany(ctx, tx, s.queue, bulk, in.Body.DryRun)
		out, replayed = BulkRedriveResultOf(run.ID, in.Body.DryRun, run.Results), run.Replayed

		return err
	})

	return out, replayed, err
}
