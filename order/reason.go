package order

import "fmt"

// A ReasonCode says why an order ended, for programs.
type ReasonCode string

// The reason codes. An order that has not ended has none.
const (
	OutOfStock          ReasonCode = "out_of_stock"
	PaymentOverdue      ReasonCode = "payment_overdue"
	ProcessingOverdue   ReasonCode = "processing_overdue"
	CancelledByClient   ReasonCode = "cancelled_by_client"
	StepFailed          ReasonCode = "step_failed"
	CancelledByOperator ReasonCode = "cancelled_by_operator"

	// OtherReason is of orders that a program ended before there were codes, if their texts do not tell the code.
	OtherReason ReasonCode = "other"
)

// ReasonCodes lists the reason codes.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		OutOfStock, PaymentOverdue, ProcessingOverdue, CancelledByClient, StepFailed, CancelledByOperator, OtherReason,
	}
}

// A Reason is why an order ended, for programs and in words.
type Reason struct {
	Code ReasonCode
	Text string // the order's status_reason
}

// Unpaid is the reason of an order whose payment did not come in time.
func Unpaid() Reason { return Reason{PaymentOverdue, "not paid in time"} }

// Unprocessed is the reason of an order that was pending for too long.
func Unprocessed() Reason { return Reason{ProcessingOverdue, "not processed in time"} }

// Failing is the reason of an order with a step that it must have and whose job is dead.
// cancelled tells whether an operator cancelled the job.
func Failing(step StepName, cancelled bool) Reason {
	if cancelled {
		return Reason{CancelledByOperator, fmt.Sprintf("an operator cancelled the job of the %s step", step)}
	}

	return Reason{StepFailed, fmt.Sprintf("the %s step could not be done", step)}
}
