package operator

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/operation"
	"orders/db"
	"orders/order"
	"orders/order/repair"
)

func (s *service) registerBulkResolve() {
	letter := exampleLetter()

	operation.Register(s.api, huma.Operation{
		OperationID:  "resolve-dead-letters",
		Method:       http.MethodPost,
		Path:         "/dead-letters/resolve",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"dead letters"},
		Summary:      "Resolve many dead letters",
		Description: "Dismisses the open dead letters that match each given field of `kind`, `signature`, `order_id` and `reason`: " +
			"nothing is to be done, and `note` says why. The oldest letters come first. With `dry_run` it writes nothing. " +
			"If the same `operation_id` is sent again, nothing changes and the response is the same. The same id with another " +
			"request is refused.",
	}, operation.Contract{
		Request: bulkResolveRequest{
			LetterSelection: LetterSelection{
				Kind: operation.Text(letter.Kind), Signature: operation.Text(letter.Signature), DryRun: true, Limit: 100,
			},
			Note: "the points were given by hand",
		},
		Response: BulkResolveResultOf(exampleOperation(), true, []repair.ResolveResult{
			{JobID: letter.JobID, Outcome: repair.ResolveEligible},
		}),
		Returns:  "The outcomes; with dry_run, the outcomes that the letters would have",
		Refusals: []order.Code{order.OperationReused},
	}, s.resolveLetters)
}

type bulkResolveRequest struct {
	_ struct{} `additionalProperties:"false"`

	LetterSelection

	Note operation.Text `json:"note" minLength:"1" maxLength:"500" doc:"Why nothing is to be done"`
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

func (s *service) resolveLetters(ctx context.Context, in *struct{ Body bulkResolveRequest }) (out BulkResolveResult, err error) {
	op, err := in.Body.operation(ctx, s.pool)
	if err != nil {
		return out, err
	}

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		results, err := repair.ResolveMany(ctx, tx, repair.BulkResolve{Operation: op, Reason: string(in.Body.Note)}, in.Body.DryRun)
		out = BulkResolveResultOf(op.ID, in.Body.DryRun, results)

		return err
	})

	return out, err
}
