package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"orders/cmd/orders/telemetry"
	"orders/db"
	"orders/db/horizon"
	"orders/db/jobqueue"
	"orders/db/link"
	"orders/db/local"
)

type devCmd struct{}

// Run runs everything in this process until a signal ends it.
func (devCmd) Run(p *program) error {
	listener, err := listen(p.ctx, p.Listen, "ORDERS_LISTEN")
	if err != nil {
		return err
	}
	defer listener.Close()

	if p.DatabaseURL == "" {
		return withPostgres(p, func() error { return migrateAndRun(p, listener) })
	}

	return migrateAndRun(p, listener)
}

// withPostgres calls do with a private Postgres, and ends p.ctx if that ends.
func withPostgres(p *program, do func() error) error {
	postgres, err := startPostgres(p)
	if err != nil {
		return err
	}

	ctx, end := context.WithCancelCause(p.ctx)
	defer end(nil)

	go watch(ctx, postgres, end)

	p.ctx = ctx
	err = errors.Join(do(), stopPostgres(p, postgres))

	if errors.Is(context.Cause(ctx), errPostgresEnded) {
		return fmt.Errorf("%w: %s; start dev again, no accepted order is lost", errPostgresEnded, postgres.LastWords())
	}

	return err
}

func migrateAndRun(p *program, listener net.Listener) error {
	if err := p.migrator().Up(p.ctx); err != nil {
		return err
	}

	return traced(p, func(p *program) error { return runAll(p, listener) })
}

// runAll runs the API and a worker on a migrated database. It stops them in the order
// in which work flows: requests, then the commits that these wait for, then jobs.
func runAll(p *program, listener net.Listener) error {
	pool, err := db.Open(p.ctx, p.DatabaseURL, p.traces.Pool)
	if err != nil {
		return err
	}
	defer pool.Close()

	if err := seedIfEmpty(p, pool); err != nil {
		return err
	}

	if p.link, err = link.Open(p.ctx, p.log, pool, p.DirectURL); err != nil {
		return err
	}
	defer p.link.Close()

	p.metrics = telemetry.New(pool, p.log, version, p.traces)
	p.WebhookAllowPrivate = true // receivers under development are at this machine
	queues := jobqueue.NewWatch(p.log, pool)

	handler, commits, err := newAPI(p.ctx, p, pool, queues, true)
	if err != nil {
		return err
	}

	w, err := startWorkers(p, pool)
	if err != nil {
		commits.Close()

		return err
	}

	go queues.Run(p.ctx)
	go horizon.Watch(p.ctx, p.log, pool)

	if err := welcome(p, listener.Addr()); err != nil {
		return err
	}

	err = serveUntil(p.ctx, p, listener, handler)

	commits.Close()

	return errors.Join(err, stopWorkers(p, w))
}

func startPostgres(p *program) (*local.Server, error) {
	local.IgnoreShell()

	postgres, err := local.Start(p.ctx, local.Options{
		Dir:      filepath.Join(p.DataDir, "postgres"),
		Durable:  true,
		Programs: p.PostgresBin,
		Log:      p.log,
	})
	if err != nil {
		return nil, err
	}

	p.DatabaseURL = postgres.URL("orders")

	return postgres, nil
}

var errPostgresEnded = errors.New("the private Postgres has ended")

// watch ends the program when its Postgres has ended: nothing would restart that.
func watch(ctx context.Context, postgres *local.Server, end context.CancelCauseFunc) {
	for postgres.Alive() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}

	end(errPostgresEnded)
}

func stopPostgres(p *program, postgres *local.Server) error {
	p.log.Info("stopping postgres")

	stop, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), drainTimeout)
	defer cancel()

	return postgres.Stop(stop)
}

func welcome(p *program, address net.Addr) error {
	url := "http://" + address.String()

	_, err := fmt.Fprintf(p.stdout, `
Orders is running.

  console  %[1]s/console
  API      %[1]s/docs
  jobs     %[1]s/riverui/
  database psql '%[2]s'

Place an order and see it settle:

  curl -i %[1]s/orders -H 'Content-Type: application/json' -H 'Idempotency-Key: first' \
    -d '{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}]}'
  curl '%[1]s/orders?user_id=u-1'

Ctrl-C stops it. Its data stays in %[3]s.

`, url, p.DatabaseURL, p.DataDir)

	return err
}
