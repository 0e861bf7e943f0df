package jobqueue

import "time"

const (
	slowRead = 20 * time.Millisecond // of a queue's head; a read takes about one
	rest     = 20                    // times as long as a slow read pass until the next complete one: 5 % of the time
	maxRest  = 10 * time.Second      // what is behind a bounded read waits no longer
	slack    = 2 * time.Second       // between the time that a job is given and the commit of its transaction
)

// A Head bounds what reads of a queue's head cost while an old snapshot keeps dead rows. The index
// has an entry for each job that was worked since, and each read passes over all of them. If a
// complete read is slow, the next reads begin where the head was last. Complete reads then take 5 %
// of the time. They find what is older: rescued jobs, and those of a slow transaction.
type Head struct {
	floor time.Time // no older job was seen
	due   time.Time // of the next complete read
}

// From is from when on to read jobs; zero for a complete read.
func (h *Head) From() time.Time {
	if time.Now().Before(h.due) {
		return h.floor
	}

	return time.Time{}
}

// Read notes a read from a time on, and that no job is older than oldest. Without an error only.
func (h *Head) Read(from, oldest time.Time) {
	if from.IsZero() || oldest.After(h.floor) {
		h.floor = oldest
	}
}

// Took notes how long a read has taken, with or without an error.
func (h *Head) Took(from time.Time, took time.Duration) {
	if from.IsZero() && took >= slowRead {
		h.due = time.Now().Add(min(rest*took, maxRest))
	}
}

// Oldest is the time before which no job waits, if all that wait have been read at a moment.
func Oldest(at time.Time) time.Time { return at.Add(-slack) }
