package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/db"
	"orders/order"
)

// maxGroups bounds the list of groups: whoever has more has another problem.
const maxGroups = 200

func (s *service) registerDeadLetters() {
	letter := exampleLetter()

	register(s, huma.Operation{
		OperationID: "list-dead-letters",
		Method:      http.MethodGet,
		Path:        "/dead-letters",
		Tags:        []string{"dead letters"},
		Summary:     "List dead letters",
		Description: "Jobs that were given up, those that died last first. They are kept for good; without `state`, " +
			"the open ones are listed.",
	}, contract{
		response: letterPage{DeadLetters: []db.DeadLetter{letter.DeadLetter}},
		answer:   "A page of dead letters",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.listDeadLetters)

	register(s, huma.Operation{
		OperationID: "list-dead-letter-groups",
		Method:      http.MethodGet,
		Path:        "/dead-letters/groups",
		Tags:        []string{"dead letters"},
		Summary:     "Group dead letters by what they died of",
		Description: "Open dead letters by kind and signature, which is the error without ids, numbers and addresses; " +
			"the 200 largest groups.",
	}, contract{
		response: letterGroups{Groups: []db.LetterGroup{{
			Kind: letter.Kind, Signature: letter.Signature, Error: letter.Error, Samples: []int64{letter.JobID},
			Count: 20, Attention: 20, FirstAt: letter.DeadAt.Add(-time.Minute), LastAt: letter.DeadAt,
		}}},
		answer:   "The groups, the largest first",
		refusals: []order.Code{order.Unavailable},
	}, s.listLetterGroups)

	register(s, huma.Operation{
		OperationID: "get-dead-letter",
		Method:      http.MethodGet,
		Path:        "/dead-letters/{job_id}",
		Tags:        []string{"dead letters"},
		Summary:     "Read a dead letter",
		Description: "The letter with its args, the errors of all runs, and its redrives.",
	}, contract{
		response: letter,
		answer:   "The dead letter",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.getDeadLetter)
}

func exampleLetter() db.DeadLetterWhole {
	o := exampleOrder()
	died := o.CreatedAt.Add(8 * time.Minute)

	const text = `earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`

	return db.DeadLetterWhole{
		DeadLetter: db.DeadLetter{
			JobID: 4711, Kind: "points", Queue: "points", OrderID: &o.ID, Attempts: 10, Error: text,
			Reason: db.ReasonUnknown, Signature: "points: " + text, DeadAt: died, AttentionAt: &died,
		},
		Args:           json.RawMessage(`{"order_id":"` + o.ID.String() + `"}`),
		Errors:         []db.AttemptError{{At: died, Attempt: 10, Error: text}},
		RedriveHistory: []db.Redrive{},
	}
}

// A LetterQuery is what lists of dead letters are narrowed by.
type LetterQuery struct {
	Kind   string    `query:"kind" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Only jobs of this kind"`
	Reason db.Reason `query:"reason" enum:"transient,permanent,poison,cancelled,unknown" doc:"Only letters that died so"`
}

type listLettersInput struct {
	Page
	LetterQuery

	Signature string         `query:"signature" maxLength:"250" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"Only letters of this signature, as groups have it"`
	OrderID   uuid.UUID      `query:"order_id" format:"uuid" minLength:"36" maxLength:"36" doc:"Only letters of this order"`
	State     db.LetterState `query:"state" enum:"open,resolved,all" default:"open" doc:"Whether they are still to be resolved"`
}

type letterPage struct {
	DeadLetters []db.DeadLetter `json:"dead_letters" nullable:"false"`
	NextCursor  string          `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

func (s *service) listDeadLetters(ctx context.Context, in *listLettersInput) (*answer[letterPage], error) {
	after, err := readCursor[db.LetterPosition](deadLetterList, in.Cursor)
	if err != nil {
		return nil, err
	}

	filter := db.LetterFilter{Kind: in.Kind, Reason: in.Reason, Signature: in.Signature, OrderID: in.OrderID}

	letters, err := db.DeadLetters(ctx, s.Pool, filter, in.State, after, in.Limit+1)
	if err != nil {
		return nil, err
	}

	letters, next, err := cut(letters, in.Page, deadLetterList, func(l db.DeadLetter) db.LetterPosition {
		return db.LetterPosition{DeadAt: l.DeadAt, JobID: l.JobID}
	})

	return &answer[letterPage]{Body: letterPage{DeadLetters: letters, NextCursor: next}}, err
}

type letterGroups struct {
	Groups []db.LetterGroup `json:"groups" nullable:"false"`
}

func (s *service) listLetterGroups(ctx context.Context, in *struct{ LetterQuery }) (*answer[letterGroups], error) {
	groups, err := db.LetterGroups(ctx, s.Pool, db.LetterFilter{Kind: in.Kind, Reason: in.Reason}, maxGroups)

	return &answer[letterGroups]{Body: letterGroups{Groups: groups}}, err
}

// A LetterKey names a dead letter.
type LetterKey struct {
	JobID int64 `path:"job_id" minimum:"1" doc:"The letter's job"`
}

func (s *service) getDeadLetter(ctx context.Context, in *LetterKey) (*answer[db.DeadLetterWhole], error) {
	letter, err := db.ReadDeadLetter(ctx, s.Pool, in.JobID)

	return &answer[db.DeadLetterWhole]{Body: letter}, err
}
