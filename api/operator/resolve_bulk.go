package operator

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/db/idempotency"
	"orders/order/repair"
)

func (s *service) registerBulkResolve() {
	letter := exampleLetter()

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:  "resolve-dead-letters",
		Path:         "/dead-letters/resolve",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Resolve many dead letters",
		Description: "Dismisses the open dead letters that match each given field of `kind`, `signature`, `order_id`, `reason`, " +
			"`since` and `until`; give " +
			"at least one. Nothing is to be done for them, and `note` says why. The oldest letters come first. " +
			"With `dry_run` it writes nothing. `operation_id` is another name for the Idempotency-Key. A dry run ignores it.",
	}, operation.Contract{
		Roles: access.ToOperate,
		Request: bulkResolveRequest{
			LetterSelection: LetterSelection{
				Kind: operation.Text(letter.Kind), Signature: operation.Text(letter.Signature), DryRun: true, Limit: 100,
			},
			Note: "the points were given by hand",
		},
		Response: BulkResolveResultOf(exampleOperation(), true, []repair.ResolveResult{
			{JobID: letter.JobID, Outcome: repair.ResolveEligible},
		}),
		Returns: "The outcomes; with dry_run, the outcomes that the letters would have",
	}, s.resolveLetters)
}

type bulkResolveRequest struct {
	_ struct{} `additionalProperties:"false"`

	LetterSelection

	Note operation.Reason `json:"note" minLength:"1" maxLength:"500" doc:"Why nothing is to be done"`
}

// A BulkResolveResult is what came of the resolution of many letters.
type BulkResolveResult struct {
	OperationID uuid.UUID                     `json:"operation_id" format:"uuid" doc:"The id of the operation"`
	DryRun      bool                          `json:"dry_run"`
	Outcomes    map[repair.ResolveOutcome]int `json:"outcomes" doc:"How many dead letters have each outcome"`
	Letters     []ResolveResult               `json:"letters" nullable:"false"`
}

// A ResolveResult is what came of the resolution of one letter.
type ResolveResult struct {
	JobID   int64                 `json:"job_id"`
	Outcome repair.ResolveOutcome `json:"outcome"`
}

func resolveResultOf(r repair.ResolveResult) ResolveResult { return ResolveResult(r) }

// BulkResolveResultOf is what came of a resolution, as clients see it.
func BulkResolveResultOf(operationID uuid.UUID, dryRun bool, results []repair.ResolveResult) BulkResolveResult {
	outcomes := map[repair.ResolveOutcome]int{}
	for _, r := range results {
		outcomes[r.Outcome]++
	}

	return BulkResolveResult{
		OperationID: operationID, DryRun: dryRun, Outcomes: outcomes, Letters: operation.Each(results, resolveResultOf),
	}
}

type bulkResolveInput struct {
	operation.IdempotencyKey

	Body bulkResolveRequest
}

func (s *service) resolveLetters(
	ctx context.Context, in *bulkResolveInput, r idempotency.Request,
) (out BulkResolveResult, replayed bool, err error) {
	op, err := in.Body.operation(ctx, s.pool, r)
	if err != nil {
		return out, false, err
	}

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.ResolveMany(ctx, tx, repair.BulkResolve{Operation: op, Reason: string(in.Body.Note)}, in.Body.DryRun)
		out, replayed = BulkResolveResultOf(run.ID, in.Body.DryRun, run.Results), run.Replayed

		return err
	})

	return out, replayed, err
}
