// Package order is the domain: what an order is, the states it may be in, how a
// batch of orders shares scarce stock, and what a customer is told. It does no
// I/O and imports the standard library and the id type only, so that everything
// here can be read, and tested, without a database.
package order

import (
	"time"

	"github.com/google/uuid"
)

// An Order is what a customer asked for, priced from the catalogue when it was placed.
type Order struct {
	ID           uuid.UUID  `json:"id" format:"uuid" doc:"UUIDv7: sorts by the time it was placed"`
	UserID       string     `json:"user_id" doc:"The customer"`
	Status       Status     `json:"status" enum:"pending,awaiting_payment,confirmed,rejected,expired,cancelled,failed" doc:"Where the order stands"`
	StatusReason string     `json:"status_reason" doc:"Why it stands there; empty on the happy road"`
	Currency     string     `json:"currency" doc:"ISO 4217 code"`
	Total        int64      `json:"total" doc:"Sum of the lines in minor units of the currency"`
	HoldUntil    *time.Time `json:"hold_until" doc:"Deadline of payment of a held order, else null"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at" doc:"When the status last changed"`
	Attention    bool       `json:"attention" doc:"A step is dead and a person has been asked to look"`
	Lines        []Line     `json:"lines" nullable:"false"`
	Steps        []Step     `json:"steps" nullable:"false" doc:"The order's asynchronous work: inventory, points, notification"`
}

// A Line is one product of an order, at the price of the moment it was placed.
type Line struct {
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price" doc:"Minor units of the order's currency"`
}

// Bounds of what may be asked for.
const (
	MaxLines     = 200
	MaxQuantity  = 10_000
	MaxPrice     = 1_000_000_000_000
	MaxReceipt   = 1_000_000_000
	MaxHold      = 30 * 24 * time.Hour // that an order may wait for payment
	PointsEarned = 10                  // an order earns its customer
)

// A Product is what can be ordered, and how much of it there is.
type Product struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Price     int64  `json:"price" doc:"Minor units of the currency"`
	Currency  string `json:"currency" doc:"ISO 4217 code"`
	Available int64  `json:"available" doc:"Stock that no order has taken"`
}

// Status says where an order stands.
type Status string

// The states of an order. Final ones net to zero: stock, points and balance are
// as if the order had never been, and the customer has been told.
const (
	Pending         Status = "pending"
	AwaitingPayment Status = "awaiting_payment"
	Confirmed       Status = "confirmed"
	Rejected        Status = "rejected"
	Expired         Status = "expired"
	Cancelled       Status = "cancelled"
	Failed          Status = "failed"
)
