// Package sample keeps failures of one cause from filling the log.
package sample

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"orders/order"
)

// Bounds of lines about failures of one cause: a broken table makes thousands a second.
const (
	every = 10 * time.Second
	lines = 10 // in each every
)

// A Log logs failures. Of many of one cause it logs the first, and then how many it has
// left out.
type Log struct {
	log *slog.Logger

	mu     sync.Mutex
	counts map[string]int // in the current span, by cause
}

// New makes a log.
func New(log *slog.Logger) *Log { return &Log{log: log, counts: map[string]int{}} }

// Warn logs a failure of a kind of job with a code.
func (s *Log) Warn(ctx context.Context, message, kind string, code order.Code, args ...any) {
	cause := message + "/" + kind + "/" + string(code)

	s.mu.Lock()
	s.counts[cause]++
	n := s.counts[cause]
	s.mu.Unlock()

	if n == 1 {
		time.AfterFunc(every, func() { s.sum(message, kind, code, cause) })
	}

	if n <= lines {
		s.log.WarnContext(ctx, message, append([]any{"kind", kind, "code", code}, args...)...) //nolint:sloglint // the callers' constant
	}
}

// sum ends the span of a cause.
func (s *Log) sum(message, kind string, code order.Code, cause string) {
	s.mu.Lock()
	n := s.counts[cause]
	delete(s.counts, cause)
	s.mu.Unlock()

	if n > lines {
		s.log.Warn("lines were left out", "of", message, "kind", kind, "code", code, "count", n-lines, "within", every)
	}
}
