package explain_test

import (
	"fmt"
	"time"

	"orders/db/progress"
	"orders/order"
	"orders/order/explain"
)

// The points of a confirmed order are not done: their job has failed twice.
func ExampleExplain() {
	answer := explain.Explain(progress.Facts{
		Order: order.Order{
			Status: order.Confirmed,
			Steps:  []order.StepProgress{{Name: order.Inventory, State: order.Done}, {Name: order.Points, State: order.Retrying}},
		},
		Leader: true,
		Work: map[order.StepName]progress.Step{order.Points: {
			Job: &progress.Job{
				State:       "retryable",
				Failures:    2,
				Code:        order.Unavailable,
				ScheduledAt: time.Date(2026, time.January, 5, 9, 30, 8, 0, time.UTC),
			},
			Workers: 1,
		}},
	}, nil)

	fmt.Println(answer.Step, answer.Code)
	fmt.Println(answer.Text)

	// Output:
	// points awaiting_retry
	// The points job has failed 2 times (the database could not be reached); its next attempt is at 2026-01-05 09:30:08 UTC.
}
