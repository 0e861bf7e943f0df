package db_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"orders/db"
	"orders/db/dbtest"
)

// listener counts what [db.Listen] hears; its own connecting is not counted.
func listener(t *testing.T) (announcer *db.Announcer, heard *atomic.Int64) {
	t.Helper()

	pool := dbtest.Pool(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	connected := make(chan struct{}, 100)
	heard = &atomic.Int64{}

	go func() {
		defer close(ended)

		db.Listen(ctx, pool, func() {
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

	return db.NewAnnouncer(pool), heard
}

func TestAnnouncementsAreHeardAtOnceAndShared(t *testing.T) {
	t.Parallel()
	announcer, heard := listener(t)

	announcer.Changed()

	for deadline := time.Now().Add(10 * time.Second); heard.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is heard")
		}
	}

	const changes = 500
	for range changes { // in about half a second
		announcer.Changed()
		time.Sleep(time.Millisecond)
	}

	before := heard.Load()
	if before > 20 {
		t.Errorf("%d announcements for %d changes", before, changes)
	}

	// The last change is never among those that an earlier announcement stands for.
	announcer.Changed()

	for deadline := time.Now().Add(10 * time.Second); heard.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the last change is not heard of")
		}
	}

	time.Sleep(300 * time.Millisecond)

	if n := heard.Load(); n > before+2 {
		t.Errorf("%d announcements though nothing changes any more", n-before)
	}
}

func TestGroupCommitTellsOfItsCommits(t *testing.T) {
	t.Parallel()

	var batches, committed atomic.Int64

	group := newGroup(t, db.GroupOptions{Committed: func() { committed.Add(1) }}, double(&batches))

	for n := range 3 {
		if _, err := group.Do(t.Context(), n); err != nil {
			t.Fatal(err)
		}

		if committed.Load() != int64(n+1) {
			t.Errorf("%d commits told of before the result of %d", committed.Load(), n+1)
		}
	}
}
