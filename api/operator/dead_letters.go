package operator

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/repair"
)

// maxGroups bounds the list of groups. More causes than that at once are one cause.
const maxGroups = 200

func (s *service) registerDeadLetters() {
	letter := exampleLetter()

	operation.Register(s.api, huma.Operation{
		OperationID: "list-dead-letters",
		Method:      http.MethodGet,
		Path:        "/dead-letters",
		Tags:        []string{"dead letters"},
		Summary:     "List dead letters",
		Description: "Lists jobs that were given up, the newest first. Dead letters are never deleted. Without `state`, the open " +
			"ones are listed.",
	}, operation.Contract{
		Roles:    access.ToWatch,
		Response: letterPage{DeadLetters: []DeadLetter{letter.DeadLetter}},
		Returns:  "A page of dead letters",
	}, s.listDeadLetters)

	operation.Register(s.api, huma.Operation{
		OperationID: "list-dead-letter-groups",
		Method:      http.MethodGet,
		Path:        "/dead-letters/groups",
		Tags:        []string{"dead letters"},
		Summary:     "Group dead letters by cause",
		Description: "Groups the open dead letters by kind and signature. The signature is the error without ids, numbers and " +
			"addresses. The 200 largest groups are listed. With `since` and `until` it groups those that were given up in that time.",
	}, operation.Contract{
		Roles: access.ToWatch,
		Response: letterGroups{Groups: []DeadLetterGroup{{
			Kind: letter.Kind, Signature: letter.Signature, Error: letter.Error, Samples: []int64{letter.JobID},
			Count: 20, Attention: 20, FirstAt: letter.DeadAt.Add(-time.Minute), LastAt: letter.DeadAt,
		}}},
		Returns: "The groups, the largest first",
	}, s.listLetterGroups)

	operation.Register(s.api, huma.Operation{
		OperationID: "get-dead-letter",
		Method:      http.MethodGet,
		Path:        "/dead-letters/{job_id}",
		Tags:        []string{"dead letters"},
		Summary:     "Read a dead letter",
		Description: "Reads the dead letter with its arguments, the errors of all attempts, and its redrives.",
	}, operation.Contract{
		Roles:    access.ToWatch,
		Response: letter,
		Returns:  "The dead letter",
		Refusals: []order.Code{order.NotFound},
	}, s.getDeadLetter)
}

// A LetterQuery narrows lists of dead letters. Exported, as huma skips embedded structs
// that are not.
type LetterQuery struct {
	Kind   operation.Text    `query:"kind" maxLength:"128" doc:"Only jobs of this kind. A kind that neither the program nor a dead letter has is refused."`
	Reason deadletter.Reason `query:"reason" doc:"Only dead letters with this reason"`

	operation.Period
}

// filter is the query's, once its kind is known.
func (l LetterQuery) filter(ctx context.Context, q db.Querier) (f deadletter.Filter, err error) {
	if err := repair.CheckKind(ctx, q, string(l.Kind)); err != nil {
		return f, err
	}

	f = deadletter.Filter{Kind: string(l.Kind), Reason: l.Reason}
	f.Since, f.Until, err = l.Moments()

	return f, err
}

type listLettersInput struct {
	operation.Page
	LetterQuery

	Signature operation.Text   `query:"signature" maxLength:"250" doc:"Only dead letters with this signature"`
	OrderID   operation.ID     `query:"order_id" doc:"Only dead letters of this order"`
	State     deadletter.State `query:"state" default:"open" doc:"Only dead letters in this state"`
}

type letterPage struct {
	DeadLetters []DeadLetter `json:"dead_letters" nullable:"false"`

	operation.NextPage
}

var letterList = operation.List[deadletter.Letter, deadletter.Position]{
	Name: "dead-letters.2",
	Position: func(l deadletter.Letter) deadletter.Position {
		return deadletter.Position{DeadAt: l.DeadAt, JobID: l.JobID}
	},
}

func (s *service) listDeadLetters(ctx context.Context, in *listLettersInput) (letterPage, error) {
	filter, err := in.filter(ctx, s.pool)
	if err != nil {
		return letterPage{}, err
	}

	filter.Signature, filter.OrderID = string(in.Signature), uuid.UUID(in.OrderID)

	letters, next, err := letterList.Page(in.Page, func(after *deadletter.Position, limit int) ([]deadletter.Letter, error) {
		return deadletter.List(ctx, s.pool, filter, in.State, after, limit)
	})

	return letterPage{DeadLetters: operation.Each(letters, DeadLetterOf), NextPage: next}, err
}

type letterGroups struct {
	Groups []DeadLetterGroup `json:"groups" nullable:"false"`
}

func (s *service) listLetterGroups(ctx context.Context, in *struct{ LetterQuery }) (letterGroups, error) {
	filter, err := in.filter(ctx, s.pool)
	if err != nil {
		return letterGroups{}, err
	}

	groups, err := deadletter.Groups(ctx, s.pool, filter, maxGroups)

	return letterGroups{Groups: operation.Each(groups, DeadLetterGroupOf)}, err
}

// A LetterKey is the address of a dead letter. Exported, as huma skips embedded structs
// that are not.
type LetterKey struct {
	JobID int64 `path:"job_id" minimum:"1" doc:"The dead letter's job"`
}

func (s *service) getDeadLetter(ctx context.Context, in *LetterKey) (DeadLetterDetail, error) {
	letter, err := deadletter.Read(ctx, s.pool, in.JobID)

	return DeadLetterDetailOf(letter), err
}
