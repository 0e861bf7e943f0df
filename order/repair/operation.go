package repair

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/deadletter"
	"orders/db/idempotency"
	"orders/jobs"
	"orders/order"
)

// An Operation is what an act of an operator on dead letters has in common: which letters,
// who, and an id that makes repeating the act harmless.
type Operation struct {
	ID     uuid.UUID // a repetition returns the results of the first run; another request under it is refused
	Client string    // who has sent the key
	Key    string    // an Idempotency-Key, which then stands for the operation in place of its id
	JobIDs []int64   // the letters; if there are none, the filter selects the open ones, the oldest first
	Filter deadletter.Filter
	Limit  int // of the letters that the filter selects
	Actor  order.Actor
}

// letters are the ids of the operation's letters, each once.
func (o Operation) letters(ctx context.Context, tx pgx.Tx) ([]int64, error) {
	if len(o.JobIDs) > 0 {
		return o.JobIDs, nil
	}

	return deadletter.Oldest(ctx, tx, o.Filter, o.Limit)
}

// A Run is what came of an operation.
type Run[Result any] struct {
	ID       uuid.UUID `json:"operation_id"`
	Results  []Result  `json:"results"` // one for each letter
	Replayed bool      `json:"-"`       // they are those of an earlier request
}

// once does the act if no operation with its key or id has run. request is all that the act
// depends on beside its letters.
func once[Result any](
	ctx context.Context, tx pgx.Tx, o Operation, name string, request any, do func() ([]Result, error),
) (Run[Result], error) {
	hash, err := idempotency.HashOf(o.JobIDs, o.Filter, o.Limit, request)
	if err != nil {
		return Run[Result]{}, err
	}

	r := idempotency.Request{Client: o.Client, Key: o.Key, Operation: name, Hash: hash}
	if o.Key == "" { // the id is a key that commands and all clients share
		r.Client, r.Key = "", o.ID.String()
	}

	done, replayed, err := idempotency.Do(ctx, tx, r, func() (Run[Result], error) { return run(o, do) })
	done.Replayed = replayed

	return done, err
}

// run does the act.
func run[Result any](o Operation, do func() ([]Result, error)) (Run[Result], error) {
	results, err := do()

	return Run[Result]{ID: o.ID, Results: results}, err
}

// CheckKind refuses a kind of job that this program does not know and that no dead letter
// has: it is a mistake, and would select nothing. An empty kind is none.
func CheckKind(ctx context.Context, q db.Querier, kind string) error {
	if kind == "" || jobs.PolicyOf(kind).Kind != "" {
		return nil
	}

	used, err := deadletter.HasKind(ctx, q, kind)
	if err != nil || used {
		return err
	}

	var kinds []string
	for _, p := range jobs.Policies() {
		kinds = append(kinds, p.Kind)
	}

	return order.Errorf(order.Invalid, "There is no job of kind %q; the kinds are %s.", kind, strings.Join(kinds, ", "))
}
