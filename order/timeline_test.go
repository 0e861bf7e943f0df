package order_test

import (
	"testing"

	"orders/order"
)

func TestWord(t *testing.T) {
	t.Parallel()

	type detail = map[string]any

	for want, e := range map[string]order.Entry{
		"The order was placed: total 2500 EUR in minor units.":                                      {Type: order.PlacedEntry, Detail: detail{"total": 2500, "currency": "EUR"}},
		"Attempt 2 of the points job began.":                                                        {Type: order.AttemptEntry, Detail: detail{"kind": "points", "attempt": 2}},
		"Attempt 3 of the points job failed: an internal error; operators see its text in the job.": {Type: order.AttemptEntry, Detail: detail{"kind": "points", "attempt": 3, "error": "pq: secret"}},
		"The order was paid: reference pay-1.":                                                      {Type: order.PaymentEntry, Detail: detail{"reference": "pay-1"}},
		"Stock was taken: 3 pieces of 2 products.":                                                  {Type: order.StockEntry, Detail: detail{"kind": "deduct", "quantity": 3, "lines": 2}},
		"Stock was given back: 3 pieces of 2 products.":                                             {Type: order.StockEntry, Detail: detail{"kind": "release", "quantity": 3, "lines": 2}},
		"The customer earned 10 points.":                                                            {Type: order.PointsEntry, Detail: detail{"kind": "earn", "points": 10}},
		"The points were taken back: -10.":                                                          {Type: order.PointsEntry, Detail: detail{"kind": "reverse", "points": -10}},
		"The order will not earn points any more.":                                                  {Type: order.PointsEntry, Detail: detail{"kind": "earn", "points": 0}},
		"The order is confirmed.":                                                                   {Type: order.StatusEntry, Detail: detail{"status": "confirmed"}},
		"The order is cancelled: too late.":                                                         {Type: order.StatusEntry, Detail: detail{"status": "cancelled", "reason": "too late"}},
		"The customer was told: hello.":                                                             {Type: order.NoticeEntry, Detail: detail{"body": "hello"}},
		"The points job was given up after 10 attempts: an internal error; operators see its text in the job.": {Type: order.LetterEntry, Detail: detail{"kind": "points", "attempts": 10, "error": "pq: secret"}},
		"The dead points job was put before people.":                                                           {Type: order.AttentionEntry, Detail: detail{"kind": "points"}},
		"The points job's work was given a new job: mended.":                                                   {Type: order.RedriveEntry, Detail: detail{"kind": "points", "outcome": "redriven", "note": "mended"}},
		"A redrive of the points job was asked for: already applied.":                                          {Type: order.RedriveEntry, Detail: detail{"kind": "points", "outcome": "already applied", "note": ""}},
		"The dead points job was put away: dismissed: a gift.":                                                 {Type: order.ResolvedEntry, Detail: detail{"kind": "points", "resolution": "dismissed", "note": "a gift"}},
		"The points step had no job; it was enqueued again.":                                                   {Type: order.EventEntry, Detail: detail{"name": "orphan", "step": "points"}},
		"touched: because.": {Type: order.EventEntry, Detail: detail{"name": "touched", "reason": "because"}},
	} {
		if e.Word(); e.Text != want {
			t.Errorf("%s, want %s", e.Text, want)
		}
	}
}

func TestWordHidesWhatTheQueueRecorded(t *testing.T) {
	t.Parallel()

	e := order.Entry{Type: order.AttemptEntry, Detail: map[string]any{"error": "unavailable: dial db-7"}}
	e.Word()

	if e.Detail["error"] != order.PublicError("unavailable: dial db-7") {
		t.Errorf("%v", e.Detail)
	}
}
