package repair

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/deadletter"
	"orders/order"
)

// ResolveLetter dismisses a dead letter: an operator has decided that nothing is to be
// done. The reason is kept. The same request again changes nothing. If the letter was
// resolved in another way, ResolveLetter returns [order.LetterResolved].
func ResolveLetter(ctx context.Context, tx pgx.Tx, jobID int64, actor, reason string) (deadletter.Detail, error) {
	letters, err := deadletter.LockJobs(ctx, tx, []int64{jobID})
	if err != nil {
		return deadletter.Detail{}, err
	}

	before, err := deadletter.Read(ctx, tx, jobID)
	if err != nil {
		return before, err
	}

	if before.Resolution == deadletter.Dismissed && before.Note == reason {
		return before, nil
	}

	if before.Resolution != "" {
		return before, order.Errorf(order.LetterResolved,
			"The dead letter is resolved already: %s by %s.", before.Resolution, before.ResolvedBy)
	}

	end := deadletter.Closing{JobID: jobID, Resolution: deadletter.Dismissed, By: actor, Note: reason}
	if err := deadletter.Resolve(ctx, tx, []deadletter.Closing{end}); err != nil {
		return before, err
	}

	if letter := letters[jobID]; letter.HasOrder {
		if err := db.RecordEvents(ctx, tx, []db.OrderEvent{letterEvent(letter, end, nil)}); err != nil {
			return before, err
		}
	}

	return deadletter.Read(ctx, tx, jobID)
}
