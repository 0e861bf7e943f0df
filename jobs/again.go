package jobs

import (
	"encoding/json"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// Again is the work of a job that has ended, for a new one: the args as the queue
// has kept them, fields that this program does not know included.
type Again struct {
	// What makes jobs of our kinds unique, where River finds it; it takes the values from MarshalJSON.
	OrderID  uuid.UUID `json:"order_id" river:"unique"`
	Template string    `json:"template" river:"unique"`

	kind string
	args json.RawMessage
}

// DoAgain makes the args of a new job of the kind.
func DoAgain(kind string, args json.RawMessage) Again {
	return Again{kind: kind, args: args}
}

// Kind names the job.
func (a Again) Kind() string { return a.kind }

// InsertOpts are the kind's queue, uniqueness and attempts.
func (a Again) InsertOpts() river.InsertOpts { return insertOpts(a) }

// MarshalJSON gives the args as they were.
func (a Again) MarshalJSON() ([]byte, error) { return a.args, nil }

// Redrivable tells whether a job of the kind may be done again: it is one of
// ours, and none that comes again by the clock.
func Redrivable(kind string) bool {
	p, known := policies[kind]

	return known && p.Every == 0
}
