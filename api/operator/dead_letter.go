package operator

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"orders/api/operation"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/repair"
)

// A DeadLetter is a job that was given up.
type DeadLetter struct {
	JobID       int64                                     `json:"job_id" doc:"The job's id. The queue deletes the job after some days; the letter stays."`
	Kind        string                                    `json:"kind"`
	Queue       string                                    `json:"queue"`
	OrderID     *uuid.UUID                                `json:"order_id" format:"uuid" nullable:"true" doc:"The order that the job worked on; null if the job names none"`
	Attempts    int                                       `json:"attempts" doc:"How many attempts the job had"`
	Error       string                                    `json:"error" doc:"The newest error, as it was recorded"`
	Code        order.Code                                `json:"code" doc:"The newest error's code, such as unavailable or not-found; empty if there is no error"`
	Reason      deadletter.Reason                         `json:"reason"`
	Signature   string                                    `json:"signature" doc:"The kind and the error without ids, numbers and addresses: letters of one cause have the same"`
	Redrives    int                                       `json:"redrives" doc:"How many redrives led to this job"`
	DeadAt      time.Time                                 `json:"dead_at"`
	AttentionAt *time.Time                                `json:"attention_at" doc:"Since when an operator must decide; null while the system may still repair it"`
	ResolvedAt  *time.Time                                `json:"resolved_at" doc:"Null while the letter is open"`
	Resolution  operation.Optional[deadletter.Resolution] `json:"resolution" doc:"Null while the letter is open"`
	ResolvedBy  string                                    `json:"resolved_by" doc:"Who resolved the letter"`
	Note        string                                    `json:"note" doc:"Why it was resolved"`
}

// DeadLetterOf is a dead letter as clients see it.
func DeadLetterOf(l deadletter.Letter) DeadLetter {
	return DeadLetter{
		JobID:       l.JobID,
		Kind:        l.Kind,
		Queue:       l.Queue,
		OrderID:     l.OrderID,
		Attempts:    l.Attempts,
		Error:       l.Error,
		Code:        l.Code,
		Reason:      l.Reason,
		Signature:   l.Signature,
		Redrives:    l.Redrives,
		DeadAt:      l.DeadAt,
		AttentionAt: l.AttentionAt,
		ResolvedAt:  l.ResolvedAt,
		Resolution:  operation.Optional[deadletter.Resolution](l.Resolution),
		ResolvedBy:  l.ResolvedBy,
		Note:        l.Note,
	}
}

// A DeadLetterDetail is a dead letter with all that is known of it.
type DeadLetterDetail struct {
	DeadLetter

	Args           json.RawMessage `json:"args" doc:"The job's arguments"`
	Errors         []AttemptError  `json:"errors" nullable:"false" doc:"The errors of all attempts, the oldest first"`
	RedriveHistory []Redrive       `json:"redrive_history" nullable:"false" doc:"Who asked for redrives of the letter, and their outcomes"`
	RedriveOf      *int64          `json:"redrive_of" doc:"The dead letter that this job was a redrive of; null if it was none"`
}

// An AttemptError is how an attempt of a job failed.
type AttemptError struct {
	At      time.Time  `json:"at"`
	Attempt int        `json:"attempt"`
	Error   string     `json:"error"`
	Code    order.Code `json:"code" doc:"The error's code, such as unavailable or not-found"`
	Trace   string     `json:"trace" doc:"The stack of a panic, else empty"`
}

func attemptErrorOf(e deadletter.AttemptError) AttemptError { return AttemptError(e) }

// A Redrive is a request to do a dead letter's work again, with its outcome.
type Redrive struct {
	OperationID uuid.UUID      `json:"operation_id" format:"uuid"`
	JobID       int64          `json:"job_id" doc:"The dead letter's job"`
	Outcome     repair.Outcome `json:"outcome"`
	NewJobID    *int64         `json:"new_job_id" doc:"The job that has the work now; null if none was made"`
	Actor       string         `json:"actor"`
	Note        string         `json:"note"`
	At          time.Time      `json:"at"`
}

func redriveOf(r deadletter.Redrive) Redrive {
	return Redrive{
		OperationID: r.OperationID, JobID: r.JobID, Outcome: repair.Outcome(r.Outcome), NewJobID: r.NewJobID,
		Actor: r.Actor, Note: r.Note, At: r.At,
	}
}

// DeadLetterDetailOf is a dead letter with all that is known of it, as clients see it.
func DeadLetterDetailOf(l deadletter.Detail) DeadLetterDetail {
	return DeadLetterDetail{
		DeadLetter:     DeadLetterOf(l.Letter),
		Args:           l.Args,
		Errors:         operation.Each(l.Errors, attemptErrorOf),
		RedriveHistory: operation.Each(l.RedriveHistory, redriveOf),
		RedriveOf:      l.RedriveOf,
	}
}

// A DeadLetterGroup is open dead letters of one kind and cause.
type DeadLetterGroup struct {
	Kind      string    `json:"kind"`
	Signature string    `json:"signature" doc:"The kind and the error without ids, numbers and addresses"`
	Count     int64     `json:"count"`
	Attention int64     `json:"attention" doc:"How many of the letters wait for an operator"`
	FirstAt   time.Time `json:"first_at" doc:"When the first of the jobs was given up"`
	LastAt    time.Time `json:"last_at" doc:"When the last of the jobs was given up"`
	Error     string    `json:"error" doc:"The full error of the last letter"`
	Samples   []int64   `json:"samples" nullable:"false" doc:"The job ids of the last letters, at most 5"`
}

// DeadLetterGroupOf is a group of dead letters as clients see it.
func DeadLetterGroupOf(g deadletter.Group) DeadLetterGroup { return DeadLetterGroup(g) }

func exampleLetter() DeadLetterDetail {
	id, died := exampleOrderID, exampleTime.Add(8*time.Minute)

	const message = `earn points: ERROR: relation "points_entries" does not exist (SQLSTATE 42P01)`

	return DeadLetterDetail{
		DeadLetter: DeadLetter{
			JobID: 4711, Kind: "points", Queue: "points", OrderID: &id, Attempts: 10, Error: message, Code: order.Internal,
			Reason: deadletter.Unknown, Signature: "points: " + message, DeadAt: died, AttentionAt: &died,
		},
		Args:           json.RawMessage(`{"order_id":"` + id.String() + `"}`),
		Errors:         []AttemptError{{At: died, Attempt: 10, Error: message, Code: order.Internal}},
		RedriveHistory: []Redrive{},
	}
}
