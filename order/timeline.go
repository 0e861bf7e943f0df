package order

import (
	"fmt"
	"time"
)

// EntryType says what an entry of an order's timeline is.
type EntryType string

// The types, in the order in which entries of one moment are told.
const (
	PlacedEntry    EntryType = "placed"
	AttemptEntry   EntryType = "attempt"      // a run of a job, with its error
	PaymentEntry   EntryType = "payment"      // ledger
	StockEntry     EntryType = "stock"        // ledger, all lines in one
	PointsEntry    EntryType = "points"       // ledger
	StatusEntry    EntryType = "status"       // the order went to another status
	NoticeEntry    EntryType = "notification" // ledger
	LetterEntry    EntryType = "dead-letter"  // a job was given up
	AttentionEntry EntryType = "attention"    // a dead letter was put before people
	RedriveEntry   EntryType = "redrive"      // a dead letter's work got a new job, or did not
	ResolvedEntry  EntryType = "resolved"     // a dead letter was put away
	EventEntry     EntryType = "event"        // anything else that was done to the order
)

// An Entry is something that happened to an order.
type Entry struct {
	At     time.Time      `json:"at"`
	Type   EntryType      `json:"type" doc:"What kind of entry it is" enum:"placed,attempt,payment,stock,points,status,notification,dead-letter,attention,redrive,resolved,event"`
	Step   StepName       `json:"step" enum:"inventory,points,notification," doc:"The step it belongs to, else empty"`
	Text   string         `json:"text" doc:"What happened, in words"`
	Actor  string         `json:"actor" doc:"Who did it; empty when the system did"`
	Detail map[string]any `json:"detail" nullable:"false" doc:"What happened, for programs; the fields depend on the type"`
}

// Word writes an entry's text from its detail, and makes its error one that may
// be shown.
func (e *Entry) Word() {
	if recorded, ok := e.Detail["error"].(string); ok {
		e.Detail["error"] = PublicError(recorded)
	}

	e.Text = e.words()
}

func (e *Entry) words() string {
	switch e.Type {
	case PlacedEntry:
		return e.f("The order was placed: total %v %v in minor units.", "total", "currency")
	case AttemptEntry:
		return e.attempt()
	case PaymentEntry:
		return e.f("The order was paid: reference %v.", "reference")
	case StockEntry:
		if e.Detail["kind"] == "deduct" {
			return e.f("Stock was taken: %v pieces of %v products.", "quantity", "lines")
		}

		return e.f("Stock was given back: %v pieces of %v products.", "quantity", "lines")
	case PointsEntry:
		return e.points()
	case StatusEntry:
		return e.f("The order is %v", "status") + e.because("reason")
	case NoticeEntry:
		return e.f("The customer was told: %v.", "body")
	case LetterEntry:
		return e.f("The %v job was given up after %v attempts", "kind", "attempts") + e.because("error")
	case AttentionEntry:
		return e.f("The dead %v job was put before people.", "kind")
	case RedriveEntry:
		return e.redrive()
	case ResolvedEntry:
		return e.f("The dead %v job was put away: %v", "kind", "resolution") + e.because("note")
	case EventEntry:
		return e.event()
	}

	return string(e.Type) + "."
}

func (e *Entry) attempt() string {
	if e.has("error") {
		return e.f("Attempt %v of the %v job failed", "attempt", "kind") + e.because("error")
	}

	return e.f("Attempt %v of the %v job began.", "attempt", "kind")
}

func (e *Entry) points() string {
	switch {
	case fmt.Sprint(e.Detail["points"]) == "0":
		return "The order will not earn points any more."
	case e.Detail["kind"] == "earn":
		return e.f("The customer earned %v points.", "points")
	default:
		return e.f("The points were taken back: %v.", "points")
	}
}

func (e *Entry) redrive() string {
	if e.Detail["outcome"] == "redriven" {
		return e.f("The %v job's work was given a new job", "kind") + e.because("note")
	}

	return e.f("A redrive of the %v job was asked for: %v", "kind", "outcome") + e.because("note")
}

func (e *Entry) event() string {
	if e.Detail["name"] == "orphan" {
		return e.f("The %v step had no job; it was enqueued again.", "step")
	}

	return e.f("%v", "name") + e.because("reason")
}

// because ends a sentence with a field's text, if it has one.
func (e *Entry) because(field string) string {
	if !e.has(field) {
		return "."
	}

	return e.f(": %v.", field)
}

func (e *Entry) has(field string) bool {
	v, ok := e.Detail[field]

	return ok && v != nil && v != ""
}

// f words the detail's fields.
func (e *Entry) f(format string, fields ...string) string {
	values := make([]any, len(fields))
	for i, field := range fields {
		values[i] = e.Detail[field]
	}

	return fmt.Sprintf(format, values...)
}
