package event

import (
	"context"
	"sync"
	"time"
)

// A Watch shares the readings of the horizon among all that follow the log in a process.
type Watch struct {
	q       Batcher
	horizon Horizon

	mu   sync.Mutex
	at   time.Time // of the last reading
	last Reading
}

// NewWatch makes a watch.
func NewWatch(q Batcher) *Watch { return &Watch{q: q} }

// Read is a reading that is younger than age. With age 0, it is made now.
func (w *Watch) Read(ctx context.Context, age time.Duration) (Reading, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if age > 0 && time.Since(w.at) < age {
		return w.last, nil
	}

	now, err := w.horizon.Read(ctx, w.q)
	if err == nil {
		w.at, w.last = time.Now(), now
	}

	return now, err
}
