package api

import (
	"time"

	"orders/db"
)

// Pace and Refused are what a Pressure decides by, for tests to try without waiting.
type Pace = pace

// MaxInFlight is maxInFlight.
const MaxInFlight = maxInFlight

// Next is next.
func (p *pace) Next(b db.Backlog) time.Duration { return p.next(b) }

// Refused is refused.
func Refused(wait, maxWait time.Duration) float64 { return refused(wait, maxWait) }
