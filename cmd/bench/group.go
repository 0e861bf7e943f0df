package main

import (
	"context"
	"sync"
	"time"
)

// A group is goroutines of which the first that fails ends all.
type group struct {
	ctx  context.Context //nolint:containedctx // of the goroutines, and nothing else
	fail context.CancelCauseFunc
	all  sync.WaitGroup
}

func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.fail = context.WithCancelCause(ctx)

	return g
}

func (g *group) run(do func(ctx context.Context) error) {
	g.all.Go(func() {
		if err := do(g.ctx); err != nil {
			g.fail(err)
		}
	})
}

func (g *group) wait() error {
	g.all.Wait()

	err := context.Cause(g.ctx)
	g.fail(nil)

	return err
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
