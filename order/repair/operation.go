package repair

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/deadletter"
	"orders/db/operation"
	"orders/jobs"
	"orders/order"
)

// An Operation is what an act of an operator on dead letters has in common: which letters,
// who, and an id that makes repeating the act harmless.
type Operation struct {
	ID     uuid.UUID // a repetition returns the result of the first run; another request under it is refused
	JobIDs []int64   // the letters; if there are none, the filter selects the open ones, the oldest first
	Filter deadletter.Filter
	Limit  int // of the letters that the filter selects
	Actor  string
}

// letters are the ids of the operation's letters, each once.
func (o Operation) letters(ctx context.Context, tx pgx.Tx) ([]int64, error) {
	if len(o.JobIDs) > 0 {
		return o.JobIDs, nil
	}

	return deadletter.Oldest(ctx, tx, o.Filter, o.Limit)
}

// once does the act if no operation with its id has run, and keeps the results. request is
// all that the act depends on beside its letters.
func once[Result any](
	ctx context.Context, tx pgx.Tx, o Operation, name string, request any, do func() ([]Result, error),
) ([]Result, error) {
	encoded, err := json.Marshal([]any{o.JobIDs, o.Filter, o.Limit, request})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}

	hash := sha256.Sum256(encoded)
	act := operation.Operation{ID: o.ID, Act: name, RequestHash: hash[:], Actor: o.Actor}

	earlier, err := operation.Earlier(ctx, tx, act)
	if err != nil {
		return nil, err
	}

	if earlier != nil {
		var results []Result
		if err := json.Unmarshal(earlier, &results); err != nil {
			return nil, fmt.Errorf("decode result: %w", err)
		}

		return results, nil
	}

	results, err := do()
	if err != nil {
		return nil, err
	}

	return results, operation.Record(ctx, tx, act, results)
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
