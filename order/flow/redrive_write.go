package flow

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/jobs"
)

// links are what a redriven job's metadata says of where it comes from.
type links struct {
	RedriveOf int64 `json:"orders:redrive_of"`
	Redrives  int   `json:"orders:redrives"` // that led to it

	// Processes that ended while it ran, one below the bound: whoever was in quarantine by bad company gets another
	// chance, whoever deserves it ends one process more, and not three.
	Returned int `json:"orders:returned,omitempty"`
}

// returnedOf is what a new job of the letter begins with.
func returnedOf(letter db.LetterJob) int {
	if letter.Reason == db.ReasonPoison {
		return jobs.MaxDeaths - 1
	}

	return 0
}

// enqueue makes the new jobs.
func (r *redriving) enqueue(ctx context.Context, tx pgx.Tx, queue *river.Client[pgx.Tx]) error {
	var work []river.InsertManyParams

	for i, redrive := range r.redrives {
		if r.done[i].Outcome != OutcomeEligible {
			continue
		}

		letter := r.letters[redrive.JobID]

		metadata, err := json.Marshal(links{RedriveOf: letter.JobID, Redrives: letter.Redrives + 1, Returned: returnedOf(letter)})
		if err != nil {
			return fmt.Errorf("encode links: %w", err)
		}

		work = append(work, river.InsertManyParams{
			Args:       jobs.DoAgain(letter.Work.Kind, letter.Args),
			InsertOpts: &river.InsertOpts{Metadata: metadata, ScheduledAt: redrive.At},
		})
	}

	if len(work) == 0 {
		return nil
	}

	inserted, err := queue.InsertManyTx(ctx, tx, work)
	if err != nil {
		return fmt.Errorf("enqueue redrives: %w", err)
	}

	made := make(map[int64]int64, len(inserted))

	for _, result := range inserted {
		var from links

		if err := json.Unmarshal(result.Job.Metadata, &from); err == nil && !result.UniqueSkippedAsDuplicate {
			made[from.RedriveOf] = result.Job.ID
		}
	}

	for i := range r.done {
		d := &r.done[i]
		if d.Outcome != OutcomeEligible {
			continue
		}

		d.Outcome = OutcomeLiveJobExists // somebody enqueued one a moment ago

		if id, isNew := made[d.JobID]; isNew {
			d.Outcome, d.NewJobID = OutcomeRedriven, &id
		}
	}

	return nil
}

// resolutions are how an outcome closes its letter; the others leave it open.
var resolutions = map[Outcome]db.Resolution{
	OutcomeRedriven:       db.ResolvedRedriven,
	OutcomeAlreadyApplied: db.ResolvedApplied,
	OutcomeOrderIsFinal:   db.ResolvedDismissed,
}

// record resolves the letters and keeps who, when, why and what came of it.
func (r *redriving) record(ctx context.Context, tx pgx.Tx) error {
	var (
		ends    []db.LetterEnd
		records []db.Redrive
		events  []db.OrderEvent
	)

	for i, redrive := range r.redrives {
		d := r.done[i]
		if r.earlier[i] || d.Outcome == OutcomeNotFound {
			continue
		}

		records = append(records, db.Redrive{
			OperationID: redrive.OperationID, JobID: d.JobID, Outcome: string(d.Outcome), NewJobID: d.NewJobID,
			Actor: redrive.Actor, Note: redrive.Note,
		})

		resolution, closes := resolutions[d.Outcome]
		if !closes {
			continue
		}

		end := db.LetterEnd{JobID: d.JobID, Resolution: resolution, By: redrive.Actor, Note: redrive.Note}
		if end.Note == "" && d.Outcome != OutcomeRedriven {
			end.Note = string(d.Outcome)
		}

		ends = append(ends, end)
		events = append(events, letterEvent(r.letters[d.JobID], end, d.NewJobID))
	}

	if err := db.ResolveDeadLetters(ctx, tx, ends); err != nil {
		return err
	}

	if err := db.RecordRedrives(ctx, tx, records); err != nil {
		return err
	}

	return db.RecordEvents(ctx, tx, events)
}

// letterEvent tells an order that one of its dead letters is closed.
func letterEvent(letter db.LetterJob, end db.LetterEnd, newJobID *int64) db.OrderEvent {
	event := db.OrderEvent{
		OrderID: letter.Work.OrderID,
		Type:    "resolve",
		Detail:  map[string]any{"job_id": letter.JobID, "kind": letter.Work.Kind, "resolution": end.Resolution, "note": end.Note},
		Actor:   end.By,
	}

	if newJobID != nil {
		event.Type = "redrive"
		event.Detail["new_job_id"] = *newJobID
	}

	return event
}
