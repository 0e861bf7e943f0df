package api

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
	"orders/order/flow"
)

type bulkRequest struct {
	_ struct{} `additionalProperties:"false"`

	Kind        string     `json:"kind,omitempty" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Only jobs of this kind"`
	Signature   string     `json:"signature,omitempty" maxLength:"250" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Only letters of this signature, as groups have it"`
	OrderID     *uuid.UUID `json:"order_id,omitempty" format:"uuid" doc:"Only letters of this order"`
	Reason      db.Reason  `json:"reason,omitempty" enum:"transient,permanent,poison,cancelled,unknown" doc:"Only letters that died so"`
	DryRun      bool       `json:"dry_run,omitempty" doc:"Write nothing, and say what would be"`
	Limit       int        `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"The most letters to redrive"`
	Rate        float64    `json:"rate,omitempty" minimum:"0.01" maximum:"10000" doc:"Jobs a second that may begin; without it, all at once"`
	Note        string     `json:"note,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Why, in words"`
	OperationID *uuid.UUID `json:"operation_id,omitempty" format:"uuid" doc:"Names this act, so that sending it again does nothing twice; a new one by default"`
}

// filter is what the request asks for; whoever asks for nothing is refused, and
// does not redrive everything by a slip.
func (r bulkRequest) filter() (db.LetterFilter, error) {
	filter := db.LetterFilter{Kind: r.Kind, Signature: r.Signature, Reason: r.Reason}
	if r.OrderID != nil {
		filter.OrderID = *r.OrderID
	}

	if filter == (db.LetterFilter{}) {
		return filter, order.Errorf(order.Invalid, "Say which letters: give at least one of kind, signature, order_id and reason.")
	}

	return filter, nil
}

type bulkAnswer struct {
	OperationID uuid.UUID            `json:"operation_id" format:"uuid" doc:"The act's name"`
	DryRun      bool                 `json:"dry_run"`
	Outcomes    map[flow.Outcome]int `json:"outcomes" doc:"How many letters came to which outcome"`
	Letters     []flow.Redriven      `json:"letters" nullable:"false"`
}

func (s *service) redriveLetters(ctx context.Context, in *struct{ Body bulkRequest }) (*answer[bulkAnswer], error) {
	filter, err := in.Body.filter()
	if err != nil {
		return nil, err
	}

	operation, err := operationID(in.Body.OperationID)
	if err != nil {
		return nil, err
	}

	bulk := flow.BulkRedrive{
		Filter: filter, OperationID: operation, Actor: actor, Note: in.Body.Note, Limit: in.Body.Limit, Rate: in.Body.Rate,
	}
	out := bulkAnswer{OperationID: operation, DryRun: in.Body.DryRun, Outcomes: map[flow.Outcome]int{}}

	err = db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		out.Letters, err = flow.RedriveMatching(ctx, tx, s.Queue, bulk, in.Body.DryRun)

		return err
	})

	for _, letter := range out.Letters {
		out.Outcomes[letter.Outcome]++
	}

	return &answer[bulkAnswer]{Body: out}, err
}
