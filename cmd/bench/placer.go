package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// A placer is one connection and what it has seen.
type placer struct {
	*sending
	loaded

	address string
	conn    *conn
	random  *rand.Rand
	body    []byte
}

// begin connects because of an order that is due, and goes on from there.
func (p *placer) begin(ctx context.Context, due time.Time) (err error) {
	if p.conn, err = dial(ctx, p.address); err != nil {
		return err
	}

	return p.placeAll(ctx, due)
}

// placeAll places the orders that are due, then those that it gets.
func (p *placer) placeAll(ctx context.Context, due ...time.Time) error {
	defer p.conn.Close()
	defer context.AfterFunc(ctx, func() { p.conn.Close() })()

	for _, d := range due {
		if err := p.place(d); err != nil {
			return err
		}
	}

	for d := range p.arrivals {
		if err := p.place(d); err != nil {
			return err
		}
	}

	return nil
}

// place sends one order. In the open model, its latency counts from when it was
// due: an order that finds all connections waiting waits, too.
func (p *placer) place(due time.Time) error {
	fate := p.fate(p.random)
	p.body = p.appendBody(p.body[:0], p.random, fate)
	key := p.keys + strconv.FormatInt(p.sent.Add(1), 10)

	if p.rate == 0 {
		due = time.Now()
	}

	got, err := p.conn.post("/orders", key, p.body)
	took := time.Since(due)

	switch {
	case err != nil:
		return fmt.Errorf("place: %w", err)
	case got.status == http.StatusServiceUnavailable:
		p.refused = append(p.refused, took)

		if !bytes.Contains(got.body, []byte("overloaded")) {
			p.unknown[key] = fate // of one that took too long: it may have been placed after all
		}

		return nil
	case got.status != http.StatusCreated:
		return fmt.Errorf("place: answer %d: %s", got.status, got.body)
	}

	p.latencies = append(p.latencies, took)
	p.accepted = append(p.accepted, got.order)
	p.fates[fate]++
	p.placed.Add(1)

	switch fate {
	case cancelled:
		return p.cancel(got.order)
	case heldPaid:
		p.pay <- got.order
	case confirmed, heldUnpaid, scarce, fates:
	}

	return nil
}

func (p *placer) cancel(id uuid.UUID) error {
	got, err := p.conn.post("/orders/"+id.String()+"/cancel", "", []byte(`{"reason":"bench"}`))

	switch {
	case err != nil:
		return fmt.Errorf("cancel: %w", err)
	case got.status != http.StatusOK:
		return fmt.Errorf("cancel: answer %d: %s", got.status, got.body)
	}

	return nil
}
