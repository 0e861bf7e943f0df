package change_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"orders/db/change"
	"orders/db/dbtest"
)

// listener counts what [change.Listen] hears; its own connecting is not counted.
func listener(t *testing.T) (notifier *change.Notifier, heard *atomic.Int64) {
	t.Helper()

	pool := dbtest.Pool(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	connected := make(chan struct{}, 100)
	heard = &atomic.Int64{}

	go func() {
		defer close(ended)

		change.Listen(ctx, pool, func() {
			heard.Add(1)
			connected <- struct{}{}
		}, func(err error) { t.Errorf("lost: %v", err) })
	}()

	t.Cleanup(func() {
		cancel()
		<-ended
	})

	<-connected
	heard.Store(0)

	return change.NewNotifier(pool), heard
}

func TestNotificationsComeAtOnceAndAreShared(t *testing.T) {
	t.Parallel()
	notifier, heard := listener(t)

	notifier.Changed()

	for deadline := time.Now().Add(10 * time.Second); heard.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no notification came")
		}
	}

	const changes = 500
	for range changes { // in about half a second
		notifier.Changed()
		time.Sleep(time.Millisecond)
	}

	before := heard.Load()
	if before > 20 {
		t.Errorf("%d notifications for %d changes", before, changes)
	}

	// No earlier notification covers the last change.
	notifier.Changed()

	for deadline := time.Now().Add(10 * time.Second); heard.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no notification of the last change came")
		}
	}

	time.Sleep(300 * time.Millisecond)

	if n := heard.Load(); n > before+2 {
		t.Errorf("%d notifications without a change", n-before)
	}
}
