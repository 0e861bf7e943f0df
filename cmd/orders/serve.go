package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/middleware"
	"orders/cmd/orders/telemetry"
	"orders/db"
	"orders/db/horizon"
	"orders/db/jobqueue"
	"orders/db/link"
	"orders/db/schema"
	"orders/workers"
	"orders/workers/mail"
)

type serveCmd struct{}

// Run serves the API until a signal ends the program.
func (serveCmd) Run(p *program) error { return traced(p, serve) }

// traced runs a command that makes traces, if the OTEL_… variables ask for them.
func traced(p *program, run func(*program) error) (err error) {
	if p.traces, err = telemetry.NewTraces(p.ctx, p.log, version); err != nil {
		return err
	}

	defer p.traces.Close()

	p.log, p.quiet = p.traces.Log(p.log), p.traces.Log(p.quiet)

	return run(p)
}

func serve(p *program) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	listener, err := listen(p.ctx, p.Listen, "ORDERS_LISTEN")
	if err != nil {
		return err
	}

	if p.link, err = link.Open(p.ctx, p.log, pool, p.DirectURL); err != nil {
		return err
	}
	defer p.link.Close()

	p.metrics = telemetry.New(pool, p.log, version, p.traces)
	queues := jobqueue.NewWatch(p.log, pool)

	handler, commits, err := newAPI(p.ctx, p, pool, queues, false)
	if err != nil {
		return err
	}
	defer commits.Close()

	go queues.Run(p.ctx)
	go horizon.Watch(p.ctx, p.log, pool)

	p.log.Info("serving", "address", listener.Addr().String(), "version", version)

	return serveUntil(p.ctx, p, listener, handler)
}

type workCmd struct{}

// Run works jobs until a signal ends the program.
func (workCmd) Run(p *program) error { return traced(p, work) }

func work(p *program) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	var health net.Listener

	if p.WorkListen != "" {
		if health, err = listen(p.ctx, p.WorkListen, "ORDERS_WORK_LISTEN"); err != nil {
			return err
		}
	}

	if p.link, err = link.Open(p.ctx, p.log, pool, p.DirectURL); err != nil {
		return err
	}
	defer p.link.Close()

	p.metrics = telemetry.New(pool, p.log, version, p.traces)

	w, err := startWorkers(p, pool)
	if err != nil {
		return err
	}

	queues := jobqueue.NewWatch(p.log, pool)
	go queues.Run(p.ctx)
	go horizon.Watch(p.ctx, p.log, pool)

	if health == nil {
		<-p.ctx.Done()
	} else {
		err = serveUntil(p.ctx, p, health, healthHandler(ready(pool), func() []string {
			return sentences(append(queues.Warnings(), w.Warning())...)
		}, workMetrics(p, pool)))
	}

	return errors.Join(err, stopWorkers(p, w))
}

func startWorkers(p *program, pool *pgxpool.Pool) (*workers.Workers, error) {
	worked := p.Concurrency.Worked()

	sender, err := p.mail()
	if err != nil {
		return nil, err
	}

	w, err := workers.New(workers.Options{
		Pool:        pool,
		Link:        p.link,
		Log:         p.quiet,
		Version:     version,
		Concurrency: worked,
		Jobs:        p.jobs(),
		Rules:       p.rules(),
		Webhook:     p.AlertWebhook,
		Observer:    p.metrics,
		Middleware:  p.traces.Middleware(),

		AllowPrivate: p.WebhookAllowPrivate,
		Mail:         sender,
	})
	if err != nil {
		return nil, err
	}

	if err := w.Start(p.ctx); err != nil {
		return nil, err
	}

	p.log.Info("working", "concurrency", worked, "version", version)

	return w, nil
}

// mail makes what sends mail; nil without a mail server.
func (p *program) mail() (*mail.Sender, error) {
	if p.SMTPURL == "" {
		return nil, nil //nolint:nilnil // there is none
	}

	return mail.New(mail.Options{URL: p.SMTPURL, From: p.MailFrom})
}

// stopWorkers stops the workers when the program ends.
func stopWorkers(p *program, w *workers.Workers) error {
	p.log.Info("draining jobs")

	drain, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), drainTimeout)
	defer cancel()

	return w.Stop(drain)
}

// connect opens DATABASE_URL.
func connect(p *program) (*pgxpool.Pool, error) {
	if err := p.needDatabase(); err != nil {
		return nil, err
	}

	return db.Open(p.ctx, p.DatabaseURL, p.traces.Pool)
}

// openChecked opens DATABASE_URL and refuses a schema of another version.
func openChecked(p *program) (*pgxpool.Pool, error) {
	pool, err := connect(p)
	if err != nil {
		return nil, err
	}

	if err := schema.Check(p.ctx, pool); err != nil {
		pool.Close()

		return nil, err
	}

	return pool, nil
}

// workMetrics serves the metrics of a worker. They need a token, as those of serve do, unless the
// address is loopback.
func workMetrics(p *program, pool *pgxpool.Pool) http.Handler {
	if host, _, _ := net.SplitHostPort(p.WorkListen); loopback(host) {
		return middleware.LocalHosts(p.Hosts, p.metrics.Handler())
	}

	keys := access.NewKeyring(pool, p.log)
	go keys.Run(p.ctx)

	return keys.Require(access.ToWatch, p.metrics.Handler())
}

// healthHandler serves the health checks and the metrics of a worker.
func healthHandler(ready func(context.Context) error, warnings func() []string, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)

			return
		}

		fmt.Fprintln(w, "ready")

		for _, warning := range warnings() {
			fmt.Fprintln(w, warning)
		}
	})

	return mux
}

type healthCmd struct{}

// Run checks a process on this machine. Container health checks call it.
func (healthCmd) Run(p *program) error {
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil {
		return fmt.Errorf("read ORDERS_LISTEN: %w", err)
	}

	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}

	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}

	client := http.Client{Timeout: headerTimeout}

	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}

	_, err = fmt.Fprintln(p.stdout, "ready")

	return err
}
