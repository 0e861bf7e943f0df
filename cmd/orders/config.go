package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"reflect"
	"text/tabwriter"
	"time"

	"orders/jobs"
	"orders/order/flow"
)

// config is every setting: environment first, a flag for each. --help and
// README's table come from these tags.
type config struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"Postgres to use, as postgres://user:password@host/database. Without it, dev runs one of its own."`
	Listen      string `env:"ORDERS_LISTEN" default:"127.0.0.1:8080" help:"Address of the API."`
	WorkListen  string `env:"ORDERS_WORK_LISTEN" placeholder:"ADDRESS" help:"Address of work's /healthz and /readyz; empty for none."`
	Insecure    bool   `env:"ORDERS_INSECURE" help:"Listen on addresses other than loopback although nobody is asked who they are."`
	DataDir     string `env:"ORDERS_DATA_DIR" default:".local" help:"Where dev keeps its Postgres."`

	PostgresBin string `env:"ORDERS_POSTGRES_BIN" placeholder:"DIR" help:"Where dev finds initdb and postgres; by default in PATH and the usual places."`

	InventoryWorkers    int `env:"ORDERS_INVENTORY_WORKERS" default:"500" help:"Inventory jobs at once in a process; 0 leaves the queue to others."`
	PointsWorkers       int `env:"ORDERS_POINTS_WORKERS" default:"500" help:"Points jobs at once in a process; 0 leaves the queue to others."`
	NotificationWorkers int `env:"ORDERS_NOTIFICATION_WORKERS" default:"500" help:"Notification jobs at once in a process; 0 leaves the queue to others."`
	LifecycleWorkers    int `env:"ORDERS_LIFECYCLE_WORKERS" default:"50" help:"Expire jobs at once in a process; 0 leaves the queue to others."`
	MaintenanceWorkers  int `env:"ORDERS_MAINTENANCE_WORKERS" default:"2" help:"Maintenance jobs at once in a process; 0 leaves the queue to others."`

	Attempts        int             `env:"ORDERS_ATTEMPTS" default:"10" help:"Runs of a step's job before it is a dead letter."`
	CompensateEvery time.Duration   `env:"ORDERS_COMPENSATE_EVERY" default:"30s" help:"How often dead letters, overdue orders and orphans are swept up."`
	PendingDeadline time.Duration   `env:"ORDERS_PENDING_DEADLINE" default:"15m" help:"How long an order may stay pending before it expires."`
	KeepCompleted   time.Duration   `env:"ORDERS_KEEP_COMPLETED" default:"5m" help:"How long completed jobs stay for River UI; what they did is told by the ledgers. 0 deletes them at once, which is a twentieth faster."`
	RedriveAfter    []time.Duration `env:"ORDERS_REDRIVE_AFTER" default:"1m,5m,15m" help:"When a dead letter that looks transient is redriven, counted from each death; then people are asked."`

	MaxWait time.Duration `env:"ORDERS_MAX_WAIT" default:"30s" help:"How long work may wait; beyond that orders are refused with 503 and Retry-After. 0 never refuses."`

	LogLevel  slog.Level `env:"ORDERS_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `env:"ORDERS_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// Validate reports all mistakes at once.
func (c *config) Validate() error {
	var mistakes []error

	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	for name, address := range map[string]string{"ORDERS_LISTEN": c.Listen, "ORDERS_WORK_LISTEN": c.WorkListen} {
		if address == "" && name == "ORDERS_WORK_LISTEN" {
			continue
		}

		host, _, err := net.SplitHostPort(address)

		switch {
		case err != nil:
			mistake("%s: %q is no address; write host:port, such as 127.0.0.1:8080", name, address)
		case !c.Insecure && !loopback(host):
			mistake("%s: %q is not loopback, and whoever reaches it may do everything; "+
				"add --insecure if something in front of it asks who they are", name, address)
		}
	}

	for queue, n := range c.concurrency() {
		if n < 0 {
			mistake("workers of queue %s: %d is negative; 0 leaves the queue to other processes", queue, n)
		}
	}

	if c.Attempts < 1 || c.Attempts > math.MaxInt16 {
		mistake("ORDERS_ATTEMPTS: %d; write a number from 1 to %d", c.Attempts, math.MaxInt16)
	}

	if c.CompensateEvery < time.Second || c.PendingDeadline < time.Second {
		mistake("ORDERS_COMPENSATE_EVERY and ORDERS_PENDING_DEADLINE: write a second or more, such as 30s")
	}

	if c.MaxWait < 0 || c.MaxWait > 0 && c.MaxWait < time.Second {
		mistake("ORDERS_MAX_WAIT: %s; write a second or more, such as 30s, or 0 never to refuse", c.MaxWait)
	}

	if c.KeepCompleted < 0 {
		mistake("ORDERS_KEEP_COMPLETED: %s is negative; 0 deletes jobs as they are completed", c.KeepCompleted)
	}

	if _, err := url.Parse(c.DatabaseURL); err != nil {
		mistake("DATABASE_URL: it is no URL; write postgres://user:password@host:5432/database")
	}

	return errors.Join(mistakes...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)

	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *config) concurrency() map[string]int {
	return map[string]int{
		jobs.QueueInventory:    c.InventoryWorkers,
		jobs.QueuePoints:       c.PointsWorkers,
		jobs.QueueNotification: c.NotificationWorkers,
		jobs.QueueLifecycle:    c.LifecycleWorkers,
		jobs.QueueMaintenance:  c.MaintenanceWorkers,
	}
}

func (c *config) jobs() jobs.Settings {
	return jobs.Settings{Attempts: c.Attempts, CompensateEvery: c.CompensateEvery, KeepCompleted: c.KeepCompleted}
}

func (c *config) compensation() flow.Compensation {
	return flow.Compensation{PendingDeadline: c.PendingDeadline, RedriveAfter: c.RedriveAfter}
}

// loggers makes the program's logger, and one for libraries, which say at info
// what is of interest to their authors.
func (c *config) loggers(w io.Writer) (ours, quiet *slog.Logger) {
	library := c.LogLevel
	if library == slog.LevelInfo {
		library = slog.LevelWarn
	}

	logger := func(level slog.Level) *slog.Logger {
		options := &slog.HandlerOptions{Level: level}
		if c.LogFormat == "json" {
			return slog.New(slog.NewJSONHandler(w, options))
		}

		return slog.New(slog.NewTextHandler(w, options))
	}

	return logger(c.LogLevel), logger(library)
}

// needDatabase is the error of commands that cannot do without DATABASE_URL.
func (c *config) needDatabase() error {
	if c.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set; write postgres://user:password@host:5432/database " +
			"(`orders dev` needs none: it runs a Postgres of its own)")
	}

	return nil
}

// redacted is a database's address without its password, wherever it stands there.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" && address != "" {
		return "(set, and not shown: it is no URL)"
	}

	if query := u.Query(); query.Has("password") || query.Has("sslpassword") {
		query.Del("password")
		query.Del("sslpassword")
		u.RawQuery = query.Encode()
	}

	return u.Redacted()
}

type configCmd struct{}

// Run prints each setting as the environment variable that would set it.
func (configCmd) Run(p *program) error {
	shown := p.config

	shown.DatabaseURL = redacted(shown.DatabaseURL)

	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)

	for field, value := range reflect.ValueOf(shown).Fields() {
		fmt.Fprintf(w, "%s\t%v\n", field.Tag.Get("env"), value.Interface())
	}

	return w.Flush()
}
