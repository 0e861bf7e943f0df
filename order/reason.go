package order

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

// maxWhy bounds the words of an operator, in characters.
const maxWhy = 500

// CheckWhy checks an operator's words for why something is done. It returns [Invalid] unless they have 1 to 500 characters that
// are not all spaces, and no control characters.
func CheckWhy(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return Errorf(Invalid, "Say why, in words.")
	case utf8.RuneCountInString(reason) > maxWhy:
		return Errorf(Invalid, "The reason is longer than %d characters.", maxWhy)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return Errorf(Invalid, "The reason has control characters or is not UTF-8.")
	default:
		return nil
	}
}
