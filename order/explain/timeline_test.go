package explain_test

import (
	"encoding/json"
	"testing"

	"orders/db/timeline"
	"orders/order"
	"orders/order/explain"
)

type detail = map[string]any

// rows are a ledger's, as the database gives them.
func rows(list ...detail) []any {
	all := make([]any, len(list))
	for i, row := range list {
		all[i] = row
	}

	return all
}

func TestTell(t *testing.T) {
	t.Parallel()

	const hidden = "an internal error; operators see its text in the job"

	for want, e := range map[string]timeline.Entry{
		"The order was placed: total 25.00 EUR.":              {Type: timeline.Placed, Detail: detail{"total": json.Number("2500"), "currency": "EUR"}},
		"Attempt 2 of the points job began.":                  {Type: timeline.Attempt, Detail: detail{"kind": "points", "attempt": 2}},
		"Attempt 3 of the points job failed: " + hidden + ".": {Type: timeline.Attempt, Detail: detail{"kind": "points", "attempt": 3, "code": "internal"}},
		"Attempt 4 of the points job failed: the database could not be reached.": {
			Type: timeline.Attempt, Detail: detail{"kind": "points", "attempt": 4, "code": "unavailable"},
		},
		"A payment was refused and must be returned: reference pay-2.": {
			Type: timeline.Payment, Detail: detail{"reference": "pay-2", "refund": "refused"},
		},
		"The payment must be returned: reference pay-1.": {
			Type: timeline.Payment, Detail: detail{"reference": "pay-1", "refund": "ended"},
		},
		"The order was paid: reference pay-1.": {Type: timeline.Payment, Detail: detail{"reference": "pay-1"}},
		"Stock was taken: 3 pieces of 2 products.": {
			Type: timeline.Step, Step: order.Inventory,
			Detail: detail{"rows": rows(detail{"kind": "deduct", "quantity": json.Number("1")}, detail{"kind": "deduct", "quantity": json.Number("2")})},
		},
		"Stock was given back: 2 pieces of 1 product.": {
			Type: timeline.Step, Step: order.Inventory, Detail: detail{"rows": rows(detail{"kind": "release", "quantity": json.Number("2")})},
		},
		"The customer earned 10 points.": {
			Type: timeline.Step, Step: order.Points, Detail: detail{"rows": rows(detail{"kind": "earn", "points": json.Number("10")})},
		},
		"The points were taken back: -10.": {
			Type: timeline.Step, Step: order.Points, Detail: detail{"void": true, "rows": rows(detail{"kind": "reverse", "points": json.Number("-10")})},
		},
		"The order will not earn points any more.": {
			Type: timeline.Step, Step: order.Points, Detail: detail{"void": true, "rows": rows(detail{"kind": "earn", "points": json.Number("0")})},
		},
		"The customer was notified: hello.":                         {Type: timeline.Step, Step: order.Notification, Detail: detail{"rows": rows(detail{"body": "hello"})}},
		"The invoice step was done.":                                {Type: timeline.Step, Step: "invoice", Detail: detail{"void": false, "rows": rows(detail{"number": json.Number("7")})}},
		"The invoice step was undone, or will not happen any more.": {Type: timeline.Step, Step: "invoice", Detail: detail{"void": true}},
		"The order awaits its payment.":                             {Type: timeline.Status, Detail: detail{"status": "awaiting_payment"}},
		"The order is confirmed.":                                   {Type: timeline.Status, Detail: detail{"status": "confirmed"}},
		"The order is cancelled: too late.":                         {Type: timeline.Status, Detail: detail{"status": "cancelled", "reason": "too late"}},
		"The points job was given up after 10 attempts: " + hidden + ".": {
			Type: timeline.DeadLetter, Detail: detail{"kind": "points", "attempts": json.Number("10"), "code": "internal", "reason": "unknown"},
		},
		"The points job was given up after 0 attempts: cancelled by an operator.": {
			Type: timeline.DeadLetter, Detail: detail{"kind": "points", "attempts": json.Number("0"), "code": "", "reason": "cancelled"},
		},
		"The points job was given up after 1 attempt: cancelled by an operator; before that, " + hidden + ".": {
			Type: timeline.DeadLetter, Detail: detail{"kind": "points", "attempts": json.Number("1"), "code": "internal", "reason": "cancelled"},
		},
		"The points job was given up after 2 attempts: no attempt reported an error, so it was probably discarded by hand.": {
			Type: timeline.DeadLetter, Detail: detail{"kind": "points", "attempts": json.Number("2"), "code": "", "reason": "transient"},
		},
		"The dead points job needs an operator.":             {Type: timeline.Attention, Detail: detail{"kind": "points"}},
		"The points job's work was given a new job: mended.": {Type: timeline.Redrive, Detail: detail{"kind": "points", "outcome": "redriven", "note": "mended"}},
		"A redrive of the points job was requested, but its work was done already.": {
			Type: timeline.Redrive, Detail: detail{"kind": "points", "outcome": "already_applied", "note": ""},
		},
		"The dead points job was dismissed: nothing is to be done: a gift.": {Type: timeline.Resolved, Detail: detail{"kind": "points", "resolution": "dismissed", "note": "a gift"}},
		"The points step had no job; its job was enqueued again.":           {Type: timeline.Event, Detail: detail{"name": "missing_job", "step": "points"}},
		"The dead letter of the points job was reopened: by mistake.": {
			Type: timeline.Event, Detail: detail{"name": "reopen", "kind": "points", "note": "by mistake"},
		},
		"The dead points job was retried by hand.": {
			Type:   timeline.Redrive,
			Detail: detail{"kind": "points", "outcome": "redriven", "job_id": json.Number("7"), "new_job_id": json.Number("7"), "note": "x"},
		},
		"Event order.failed was sent to webhook 7, in 2 attempts.": {
			Type: timeline.Delivery, Detail: detail{"event": "order.failed", "endpoint": "7", "state": "sent", "attempts": json.Number("2")},
		},
		"Event order.failed has not reached webhook 7 yet, after 1 attempt; it is sent again.": {
			Type: timeline.Delivery, Detail: detail{"event": "order.failed", "endpoint": "7", "state": "waiting", "attempts": json.Number("1")},
		},
		"Event order.failed did not reach webhook 7, and was given up after 10 attempts.": {
			Type: timeline.Delivery, Detail: detail{"event": "order.failed", "endpoint": "7", "state": "failed", "attempts": json.Number("10")},
		},
		"Mail about order.created was not sent to the customer: it is not so any more.": {
			Type: timeline.Delivery, Detail: detail{"channel": "mail", "event": "order.created", "endpoint": "7", "state": "suppressed", "attempts": json.Number("0")},
		},
		"touched: because.": {Type: timeline.Event, Detail: detail{"name": "touched", "reason": "because"}},
	} {
		if got := explain.Tell(e); got.Text != want {
			t.Errorf("%s, want %s", got.Text, want)
		}
	}
}

// A code is for programs; people read what it means.
func TestTellWordsTheCode(t *testing.T) {
	t.Parallel()

	e := explain.Tell(timeline.Entry{Type: timeline.Attempt, Detail: detail{"code": "unavailable"}})

	if _, kept := e.Detail["code"]; kept || e.Detail["error"] != order.PublicError(order.Unavailable) {
		t.Errorf("%v", e.Detail)
	}
}
