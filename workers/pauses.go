package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/jobqueue"
)

const pausesEvery = 5 * time.Second

// pauses logs when a queue is paused and resumed, also those that this process does not work.
// River's events would do the same, but a subscription costs an event for each job.
type pauses struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	cancel  context.CancelFunc
	stopped chan struct{}
	known   map[string]time.Time
}

func (p *pauses) start(ctx context.Context) {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.stopped = make(chan struct{})

	go func() {
		defer close(p.stopped)

		for {
			p.look(ctx)

			select {
			case <-ctx.Done():
				return
			case <-time.After(pausesEvery):
			}
		}
	}()
}

func (p *pauses) stop() {
	if p.cancel == nil {
		return
	}

	p.cancel()
	<-p.stopped
}

// look logs what has changed. While the database cannot be reached, nothing is known.
func (p *pauses) look(ctx context.Context) {
	paused, err := jobqueue.Paused(ctx, p.pool)
	if err != nil {
		return
	}

	for queue, since := range paused {
		if _, known := p.known[queue]; !known {
			p.log.WarnContext(ctx, "queue is paused: its jobs do not run until it is resumed", "queue", queue, "since", since)
		}
	}

	for queue := range p.known {
		if _, still := paused[queue]; !still {
			p.log.InfoContext(ctx, "queue is resumed", "queue", queue)
		}
	}

	p.known = paused
}
