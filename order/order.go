// Package order is the domain: what an order is, the states it may be in, the steps
// that it causes, how a batch of orders shares scarce stock, and what customers read.
// It does no I/O and imports only the standard library and the id type. So all of it can
// be read and tested without a database.
//
// An order is pending until its stock is reserved. It is then confirmed, or waits for
// payment if it is held. Events move it from status to status. [Status.Next] refuses
// the moves that are not drawn here:
//
//	pending
//	   ├── reserve ──────────────────────────────────► confirmed
//	   │                                                ▲     │
//	   ├── hold ────► awaiting_payment ── pay ──────────┘     └── cancel ──► cancelled
//	   │                 ├── cancel ──► cancelled
//	   │                 └── expire ──► expired
//	   ├── pay ─────► pending: the payment is kept, and the order is confirmed once there is stock
//	   ├── reject ──► rejected
//	   ├── cancel ──► cancelled
//	   ├── expire ──► expired
//	   └── give up ─► failed
//
// The asynchronous work of an order is its [Steps]: each step is one job. All steps of a
// confirmed order are done, or will be. An order that was rejected, cancelled, expired
// or failed nets to zero: its stock and points are as if it had never been placed.
package order

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// An Order is what a customer ordered, priced from the catalogue when it was placed.
type Order struct {
	ID           uuid.UUID
	UserID       string
	Status       Status
	StatusReason string
	Currency     string
	Total        int64
	HoldUntil    *time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Attention    bool
	Lines        []Line
	Steps        []StepProgress

	Memo
	Contact // read without the address

	StatusReasonCode ReasonCode // empty for an order that has not ended
}

// A Memo is what a client keeps with its order. Only Reference may be in logs and errors:
// the rest may be personal data.
type Memo struct {
	Reference string            // the client's own number of the order; empty for none
	Metadata  map[string]string // nil for none
	Note      string
}

// A Line is one product of an order. Its price is the one when the order was placed.
type Line struct {
	SKU       string
	Quantity  int64
	UnitPrice int64
	Available *int64 // what was left, if the order was rejected because that was too little
}

// Bounds of an order, a product and a receipt.
const (
	MaxLines     = 200
	MaxQuantity  = 10_000
	MaxPrice     = 1_000_000_000_000
	MaxReceipt   = 1_000_000_000
	MaxMetadata  = 20                  // keys of an order's metadata
	MaxHold      = 30 * 24 * time.Hour // how long an order may wait for payment
	PointsEarned = 10                  // by the customer, for each order

	// MaxExact is the largest total, and the largest stock of a product. JavaScript, and any JSON reader that keeps
	// numbers as float64, rounds larger integers without a word.
	MaxExact = 1<<53 - 1
)

// A Product can be ordered while some of it is available, unless it is archived.
type Product struct {
	SKU       string
	Name      string
	Price     int64
	Currency  string
	Available int64
	LowStock  int64 // below it the stock is low; 0 for never

	CreatedAt  time.Time
	UpdatedAt  time.Time  // of the entry, without the stock: stock has its ledgers
	ArchivedAt *time.Time // nil if the product can be ordered
}

// Status is the state of an order.
type Status string

// The states of an order. In a final status the order nets to zero: stock and points are
// as if it had never been placed, and the customer has been notified.
const (
	Pending         Status = "pending"
	AwaitingPayment Status = "awaiting_payment"
	Confirmed       Status = "confirmed"
	Rejected        Status = "rejected"
	Expired         Status = "expired"
	Cancelled       Status = "cancelled"
	Failed          Status = "failed"
)

// Settled tells whether nothing more happens to the order, unless a client or an
// operator requests it. An order with a dead step has settled, too.
func (o Order) Settled() bool {
	if o.Status == Pending || o.Status == AwaitingPayment {
		return false
	}

	return o.Status.Final() || !slices.ContainsFunc(o.Steps, func(s StepProgress) bool {
		return s.State == Waiting || s.State == Retrying
	})
}
