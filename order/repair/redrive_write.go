package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"orders/db"
	"orders/db/action"
	"orders/db/deadletter"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
)

// links are the metadata that link a new job to the letter whose work it has.
func links(letter deadletter.Job) map[string]any {
	metadata := map[string]any{jobs.MetaRedriveOf: letter.JobID, jobs.MetaRedrives: letter.Redrives + 1}

	// The new job of a poison letter begins one death below the bound. If it is not the cause, it gets another chance.
	// If it is, it ends one more process and not three.
	if letter.Reason == deadletter.Poison {
		metadata[jobs.MetaRescued] = jobs.MaxDeaths - 1
	}

	return metadata
}

// enqueue makes the new jobs.
func (r *redriving) enqueue(ctx context.Context, tx pgx.Tx, queue *flow.Queue) error {
	var work []river.InsertManyParams

	for i, request := range r.requests {
		if r.results[i].Outcome != Eligible {
			continue
		}

		letter := r.letters[request.JobID]

		metadata, err := json.Marshal(links(letter))
		if err != nil {
			return fmt.Errorf("encode links: %w", err)
		}

		work = append(work, river.InsertManyParams{
			Args:       jobs.Again(letter.Work.Kind, letter.Args),
			InsertOpts: &river.InsertOpts{Metadata: metadata, ScheduledAt: request.At},
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
		var from map[string]json.Number

		if err := json.Unmarshal(result.Job.Metadata, &from); err == nil && !result.UniqueSkippedAsDuplicate {
			letter, _ := from[jobs.MetaRedriveOf].Int64() // as links wrote it
			made[letter] = result.Job.ID
		}
	}

	for i := range r.results {
		d := &r.results[i]
		if d.Outcome != Eligible {
			continue
		}

		d.Outcome = LiveJobExists // it was enqueued a moment ago, by another transaction

		if id, isNew := made[d.JobID]; isNew {
			d.Outcome, d.NewJobID = Redriven, &id
		}
	}

	return nil
}

// resolutions are the outcomes that resolve the letter; the others leave it open.
var resolutions = map[Outcome]deadletter.Resolution{
	Redriven:       deadletter.Redriven,
	AlreadyApplied: deadletter.Applied,
	OrderIsFinal:   deadletter.Dismissed,
}

// reasons say why a letter was resolved without a new job, if the request gives no reason.
var reasons = map[Outcome]string{
	AlreadyApplied: "its work was done already",
	OrderIsFinal:   "its order had ended",
}

// record resolves the letters and keeps each request with its outcome.
func (r *redriving) record(ctx context.Context, tx pgx.Tx) error {
	var (
		ends    []deadletter.Closing
		records []deadletter.Redrive
		events  []db.OrderEvent
		actions []action.Action
	)

	for i, request := range r.requests {
		d := r.results[i]
		if d.Outcome == NotFound {
			continue
		}

		records = append(records, deadletter.Redrive{
			OperationID: request.OperationID, JobID: d.JobID, Outcome: string(d.Outcome), NewJobID: d.NewJobID,
			Actor: request.Actor.Name, Note: request.Note,
		})

		actions = append(actions, actOn(r.letters[d.JobID], action.RedriveLetter, request.Actor, map[string]any{
			"operation_id": request.OperationID, "outcome": d.Outcome, "new_job_id": d.NewJobID,
		}))

		resolution, closes := resolutions[d.Outcome]
		if !closes {
			continue
		}

		end := deadletter.Closing{JobID: d.JobID, Resolution: resolution, By: request.Actor.Name, Note: request.Note}
		if end.Note == "" && d.Outcome != Redriven {
			end.Note = reasons[d.Outcome]
		}

		ends = append(ends, end)
		events = append(events, letterEvent(r.letters[d.JobID], end, d.NewJobID))
	}

	if err := deadletter.Resolve(ctx, tx, ends); err != nil {
		return err
	}

	if err := action.Record(ctx, tx, actions...); err != nil {
		return err
	}

	if err := deadletter.RecordRedrives(ctx, tx, records); err != nil {
		return err
	}

	return db.RecordEvents(ctx, tx, events)
}

// actOn is what an operator does to a dead letter.
func actOn(letter deadletter.Job, name action.Name, by order.Actor, detail map[string]any) action.Action {
	target := action.Target{Kind: action.DeadLetter, ID: strconv.FormatInt(letter.JobID, 10)}
	detail["kind"] = letter.Work.Kind

	return action.Action{By: by, Name: name, Target: target, OrderID: letter.Work.OrderID, Detail: detail}
}

// letterEvent is the event of an order whose dead letter was resolved.
func letterEvent(letter deadletter.Job, end deadletter.Closing, newJobID *int64) db.OrderEvent {
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
