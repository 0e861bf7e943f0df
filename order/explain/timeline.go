package explain

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"orders/db"
	"orders/db/action"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/timeline"
	"orders/order"
)

// An Entry of a timeline is something that happened to an order, with a sentence for
// operators.
type Entry struct {
	timeline.Entry

	Text string
}

// Timeline lists what happened to an order: its newest entries, at most limit, the oldest
// of them first; [order.NotFound] if there is no such order.
func Timeline(ctx context.Context, q db.Querier, id uuid.UUID, limit int) ([]Entry, error) {
	read, err := timeline.Read(ctx, q, id, limit)
	if err != nil {
		return nil, err
	}

	entries := make([]Entry, len(read))
	for i, e := range read {
		entries[i] = Tell(e)
	}

	return entries, nil
}

// Tell gives an entry its sentence. It replaces an error by what customers may read.
func Tell(read timeline.Entry) Entry {
	e := Entry{Entry: read}

	if code, ok := e.Detail["code"].(string); ok && code != "" {
		e.Detail["error"] = order.PublicError(order.Code(code))
	}

	delete(e.Detail, "code")
	e.Text = e.words()

	return e
}

func (e Entry) words() string {
	switch e.Type {
	case timeline.Placed:
		return "The order was placed: total " + e.money("total") + "."
	case timeline.Attempt:
		return e.attempt()
	case timeline.Payment:
		return e.payment()
	case timeline.Step:
		return e.step()
	case timeline.Status:
		return statusText(e.Detail["status"]) + e.because("reason")
	case timeline.DeadLetter:
		return e.deadLetter()
	case timeline.Attention:
		return e.f("The dead %v job needs an operator.", "kind")
	case timeline.Redrive:
		return e.redrive()
	case timeline.Resolved:
		return e.f("The dead %v job "+resolutionText(e.Detail["resolution"]), "kind") + e.because("note")
	case timeline.Event:
		return e.event()
	case timeline.Delivery:
		return e.delivery()
	}

	return string(e.Type) + "."
}

func (e Entry) attempt() string {
	if e.has("error") {
		return e.f("Attempt %v of the %v job failed", "attempt", "kind") + e.because("error")
	}

	return e.f("Attempt %v of the %v job began.", "attempt", "kind")
}

func (e Entry) payment() string {
	text := "The order was paid: "

	switch {
	case e.Detail["refund"] == "refused":
		text = "A payment was refused and must be returned: "
	case e.Detail["refund"] == "ended":
		text = "The payment must be returned: "
	case e.Detail["kept"] == true:
		text = "The payment came before the stock was reserved, and is kept: "
	}

	if e.has("amount") {
		return text + e.money("amount") + e.f(", reference %v.", "reference")
	}

	return text + e.f("reference %v.", "reference")
}

// step is the sentence of rows that a step's ledger got. A step that is not listed here
// has a general sentence with its name.
func (e Entry) step() string {
	first := map[string]any{}

	rows, _ := e.Detail["rows"].([]any)
	if len(rows) > 0 {
		first, _ = rows[0].(map[string]any)
	}

	switch {
	case e.Step == order.Inventory && first["kind"] == "deduct":
		return "Stock was taken: " + pieces(rows) + "."
	case e.Step == order.Inventory:
		return "Stock was given back: " + pieces(rows) + "."
	case e.Step == order.Points && sum(rows, "points") == 0:
		return "The order will not earn points any more."
	case e.Step == order.Points && first["kind"] == "earn":
		return fmt.Sprintf("The customer earned %d points.", sum(rows, "points"))
	case e.Step == order.Points:
		return fmt.Sprintf("The points were taken back: %d.", sum(rows, "points"))
	case e.Step == order.Notification:
		return fmt.Sprintf("The customer was notified: %v.", first["body"])
	case e.Detail["void"] == true:
		return fmt.Sprintf("The %s step was undone, or will not happen any more.", e.Step)
	default:
		return fmt.Sprintf("The %s step was done.", e.Step)
	}
}

// pieces counts what rows of the stock's ledger moved.
func pieces(rows []any) string {
	return count(sum(rows, "quantity"), "piece", "pieces") + " of " + count(len(rows), "product", "products")
}

// sum adds up a field of the rows.
func sum(rows []any, field string) (total int64) {
	for _, row := range rows {
		fields, _ := row.(map[string]any)

		if n, ok := fields[field].(json.Number); ok {
			value, _ := n.Int64() // a bigint
			total += value
		}
	}

	return total
}

func (e Entry) redrive() string {
	if newJob := e.Detail["new_job_id"]; newJob != nil && newJob == e.Detail["job_id"] {
		return e.f("The dead %v job was retried by hand.", "kind")
	}

	if e.Detail["outcome"] == "redriven" {
		return e.f("The %v job's work was given a new job", "kind") + e.because("note")
	}

	outcome, _ := e.Detail["outcome"].(string)

	return e.f("A redrive of the %v job was requested, but "+cmp.Or(outcomes[outcome], outcome), "kind") + e.because("note")
}

// outcomes are the values of repair.Outcome that leave the work without a new job, in words.
var outcomes = map[string]string{
	"already_applied":  "its work was done already",
	"order_is_final":   "its order had ended",
	"live_job_exists":  "another job had the work",
	"already_resolved": "its letter was resolved already",
	"not_redrivable":   "its work cannot be done again",
}

// resolutionText is what a resolution means for a job, as a predicate.
func resolutionText(resolution any) string {
	switch resolution {
	case string(deadletter.Redriven):
		return "was redriven"
	case string(deadletter.Compensated):
		return "was resolved by undoing the order"
	case string(deadletter.Applied):
		return "was resolved: its work is done"
	default:
		return "was dismissed: nothing is to be done"
	}
}

func statusText(status any) string {
	if status == string(order.AwaitingPayment) {
		return "The order awaits its payment"
	}

	return fmt.Sprintf("The order is %v", status)
}

// deadLetter is the sentence of a job that was given up.
func (e Entry) deadLetter() string {
	reason, _ := e.Detail["reason"].(string)
	failure, _ := e.Detail["error"].(string)
	attempts, _ := e.Detail["attempts"].(json.Number)
	n, _ := attempts.Int64() // an int

	return e.f("The %v job was given up after ", "kind") + count(n, "attempt", "attempts") + ": " +
		causeOfDeath(deadletter.Reason(reason), failure) + "."
}

func (e Entry) event() string {
	switch e.Detail["name"] {
	case "missing_job":
		return e.f("The %v step had no job; its job was enqueued again.", "step")
	case string(action.RetryJob):
		return e.f("Job %v was retried in River UI.", "job_id")
	case string(action.CancelJob):
		return e.f("Job %v was cancelled in River UI.", "job_id")
	case string(action.DeleteJob):
		return e.f("Job %v was deleted in River UI.", "job_id")
	case "reopen":
		return e.f("The dead letter of the %v job was reopened", "kind") + e.because("note")
	}

	return e.f("%v", "name") + e.because("reason")
}

// delivery is the sentence of an event that was sent to a webhook, or by mail.
func (e Entry) delivery() string {
	attempts, _ := e.Detail["attempts"].(json.Number)
	n, _ := attempts.Int64() // an int
	tries := count(n, "attempt", "attempts")

	what, to := e.f("Event %v ", "event"), e.f("webhook %v", "endpoint")
	if e.Detail["channel"] == string(delivery.Mail) {
		what, to = e.f("Mail about %v ", "event"), "the customer"
	}

	switch e.Detail["state"] {
	case string(delivery.Sent):
		return what + "was sent to " + to + ", in " + tries + "."
	case string(delivery.Failed):
		return what + "did not reach " + to + ", and was given up after " + tries + "."
	case string(delivery.Suppressed):
		return what + "was not sent to " + to + ": it is not so any more."
	}

	return what + "has not reached " + to + " yet, after " + tries + "; it is sent again."
}

// because ends a sentence with a field's text, if there is one.
func (e Entry) because(field string) string {
	if !e.has(field) {
		return "."
	}

	return e.f(": %v.", field)
}

func (e Entry) has(field string) bool {
	v, ok := e.Detail[field]

	return ok && v != nil && v != ""
}

// money is the amount in a field, in the entry's currency.
func (e Entry) money(field string) string {
	minor, err := strconv.ParseInt(fmt.Sprint(e.Detail[field]), 10, 64)
	if err != nil {
		return e.f("%v %v in minor units", field, "currency")
	}

	return order.Money(minor, fmt.Sprint(e.Detail["currency"]))
}

// f formats the detail's fields.
func (e Entry) f(format string, fields ...string) string {
	values := make([]any, len(fields))
	for i, field := range fields {
		values[i] = e.Detail[field]
	}

	return fmt.Sprintf(format, values...)
}
