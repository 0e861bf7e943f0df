package flow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// ResolveLetter dismisses a dead letter: somebody has looked, and nothing is to
// be done. The reason is kept. Said again, it changes nothing; a letter that was
// resolved otherwise is refused with [order.LetterResolved].
func ResolveLetter(ctx context.Context, tx pgx.Tx, jobID int64, actor, reason string) (db.DeadLetterWhole, error) {
	letters, err := db.LockLetterJobs(ctx, tx, []int64{jobID})
	if err != nil {
		return db.DeadLetterWhole{}, err
	}

	before, err := db.ReadDeadLetter(ctx, tx, jobID)
	if err != nil {
		return before, err
	}

	if before.Resolution == db.ResolvedDismissed && before.Note == reason {
		return before, nil
	}

	if before.Resolution != "" {
		return before, order.Errorf(order.LetterResolved,
			"The dead letter is resolved already: %s by %s.", before.Resolution, before.ResolvedBy)
	}

	end := db.LetterEnd{JobID: jobID, Resolution: db.ResolvedDismissed, By: actor, Note: reason}
	if err := db.ResolveDeadLetters(ctx, tx, []db.LetterEnd{end}); err != nil {
		return before, err
	}

	if letter := letters[jobID]; letter.HasOrder {
		if err := db.RecordEvents(ctx, tx, []db.OrderEvent{letterEvent(letter, end, nil)}); err != nil {
			return before, err
		}
	}

	return db.ReadDeadLetter(ctx, tx, jobID)
}
