package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// A workload is what the orders of a run are like.
type workload struct {
	skus  int // in stock
	lines int // of an order, of different skus

	// Shares of the orders, the rest being as any.
	cancelled float64 // right after they were placed
	held      float64 // every second one is paid
	scarce    float64 // ask for a sku that has none left
}

// spread is what most scenarios place.
var spread = workload{skus: 1000, lines: 2}

const (
	users       = 100_000
	scarceSKUs  = 10
	holdSeconds = 3600 // longer than any run
)

// A fate is what becomes of an order.
type fate int

const (
	confirmed fate = iota
	cancelled
	heldPaid
	heldUnpaid
	scarce

	fates // how many there are
)

func (w workload) fate(r *rand.Rand) fate {
	x := r.Float64()

	switch {
	case x < w.cancelled:
		return cancelled
	case x < w.cancelled+w.held/2:
		return heldPaid
	case x < w.cancelled+w.held:
		return heldUnpaid
	case x < w.cancelled+w.held+w.scarce:
		return scarce
	}

	return confirmed
}

// appendBody appends the JSON of an order with that fate.
func (w workload) appendBody(b []byte, r *rand.Rand, f fate) []byte {
	b = append(b, `{"user_id":"u-`...)
	b = strconv.AppendInt(b, r.Int64N(users), 10)
	b = append(b, `","lines":[`...)

	// Distinct without looking: the lines take their skus from stretches of their own.
	stretch := w.skus / w.lines

	for line := range w.lines {
		if line > 0 {
			b = append(b, ',')
		}

		b = append(b, `{"sku":"`...)
		b = appendSKU(b, line*stretch+r.IntN(stretch))
		b = append(b, `","quantity":1}`...)
	}

	if f == scarce {
		b = append(b, `,{"sku":"`...)
		b = appendSKU(b, -1-r.IntN(scarceSKUs))
		b = append(b, `","quantity":1}`...)
	}

	b = append(b, ']')

	if f == heldPaid || f == heldUnpaid {
		b = fmt.Appendf(b, `,"hold_seconds":%d`, holdSeconds)
	}

	return append(b, '}')
}

// appendSKU appends a sku's name: those from 0 on are in stock, those below are not.
func appendSKU(b []byte, n int) []byte {
	if n < 0 {
		return strconv.AppendInt(append(b, "gone-"...), int64(-n), 10)
	}

	return strconv.AppendInt(append(b, "sku-"...), int64(n), 10)
}
