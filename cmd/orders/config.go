package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"orders/api/access"
	"orders/api/middleware"
	"orders/cmd/orders/deadletter"
	"orders/cmd/orders/settings"
	"orders/cmd/orders/shell"
	"orders/cmd/orders/token"
	hooks "orders/cmd/orders/webhook"
	"orders/jobs"
	"orders/order/repair"
	"orders/workers/mail"
	"orders/workers/webhook"
)

// config holds every setting: an environment variable and a flag for each. --help and
// docs/settings.md come from these tags.
type config struct {
	DatabaseURL string   `name:"database-url" env:"DATABASE_URL" placeholder:"URL" for:"dev,serve,work,migrate,seed,report,check,doctor,audit,why,timeline,cancel,queues,dead-letters,webhook,token,workers,config" help:"Postgres to use, as postgres://user:password@host/database. Without it, dev runs one of its own."`
	DirectURL   string   `name:"direct-url" env:"ORDERS_DIRECT_URL" placeholder:"URL" for:"dev,serve,work,migrate,doctor,config" help:"Postgres itself, if DATABASE_URL leads to a pooler: for LISTEN, the lock of a worker, and migrations."`
	Listen      string   `env:"ORDERS_LISTEN" default:"127.0.0.1:8080" for:"dev,serve,health,config" help:"Address of the API."`
	WorkListen  string   `env:"ORDERS_WORK_LISTEN" placeholder:"ADDRESS" for:"work,config" help:"Address on which work serves /healthz, /readyz and /metrics; empty for none."`
	Insecure    bool     `env:"ORDERS_INSECURE" for:"serve,config" help:"Ask for no token, as dev does. For loopback addresses only."`
	Hosts       []string `env:"ORDERS_HOSTS" placeholder:"NAME" for:"dev,serve,config" help:"Names that requests may be for if no token is asked for, beside localhost."`

	OperatorToken     string `env:"ORDERS_OPERATOR_TOKEN" placeholder:"TOKEN" for:"dev,serve,config" help:"An operator's token, of 32 characters or more, which serve adds. It is for the first one: orders token create makes others."`
	OperatorTokenFile string `env:"ORDERS_OPERATOR_TOKEN_FILE" placeholder:"FILE" for:"dev,serve,config" help:"The same, read from a file."`

	ProxyAddresses    []string `env:"ORDERS_PROXY_ADDRESSES" placeholder:"CIDR" for:"serve,config" help:"Addresses of a proxy that signs users on and names them in headers, such as oauth2-proxy; from others the headers mean nothing."`
	ProxyUserHeader   string   `env:"ORDERS_PROXY_USER_HEADER" default:"X-Forwarded-User" for:"serve,config" help:"Header that has the user's name."`
	ProxyGroupsHeader string   `env:"ORDERS_PROXY_GROUPS_HEADER" default:"X-Forwarded-Groups" for:"serve,config" help:"Header that has the user's groups, separated by commas."`
	ProxyRoles        []string `env:"ORDERS_PROXY_ROLES" placeholder:"GROUP=ROLE" for:"serve,config" help:"Roles of groups, for example sre=operator,staff=viewer."`

	Origins []string `env:"ORDERS_ORIGINS" placeholder:"ORIGIN" for:"dev,serve,config" help:"Origins such as https://shop.example whose pages may use the API (CORS); none by default."`
	DataDir string   `env:"ORDERS_DATA_DIR" default:".local" for:"dev,config" help:"Directory of the Postgres that dev runs."`

	PostgresBin string `env:"ORDERS_POSTGRES_BIN" placeholder:"DIR" for:"dev,config" help:"Directory of initdb and postgres for dev; by default it searches PATH and the usual directories."`

	Concurrency settings.Concurrency `env:"ORDERS_CONCURRENCY" default:"${concurrency}" for:"dev,work,config" help:"Jobs that a process runs at once, by queue. A queue that is not named keeps its default; 0 leaves it to other processes."`

	Attempts        int             `env:"ORDERS_ATTEMPTS" default:"${attempts}" for:"dev,serve,work,dead-letters,config" help:"Attempts of an order's job before it becomes a dead letter."`
	CompensateEvery time.Duration   `env:"ORDERS_COMPENSATE_EVERY" default:"${compensate_every}" for:"dev,work,config" help:"How often dead letters, overdue orders and steps without a job are repaired."`
	PendingDeadline time.Duration   `env:"ORDERS_PENDING_DEADLINE" default:"${pending_deadline}" for:"dev,work,config" help:"How long an order may stay pending before it expires."`
	KeepCompleted   time.Duration   `env:"ORDERS_KEEP_COMPLETED" default:"${keep_completed}" for:"dev,work,config" help:"How long completed jobs stay in River UI; the ledgers keep their effects."`
	KeepEvents      time.Duration   `env:"ORDERS_KEEP_EVENTS" default:"${keep_events}" for:"dev,work,config" help:"How long other services can read an event."`
	OrdersPerJob    int             `env:"ORDERS_ORDERS_PER_JOB" default:"${orders_per_job}" for:"dev,serve,config" help:"How many of the orders that one transaction places share a job, at most 1000. 1 gives each order jobs of its own."`
	RedriveAfter    []time.Duration `env:"ORDERS_REDRIVE_AFTER" default:"${redrive_after}" for:"dev,serve,work,why,config" help:"Delays before each automatic redrive of a dead letter that looks transient; after the last one an operator decides."`

	MaxWait time.Duration `env:"ORDERS_MAX_WAIT" default:"30s" for:"dev,serve,config" help:"Longest time that new work may wait. Above it, a growing share of orders is refused with 503 and Retry-After; 0 never refuses."`

	AlertWebhook string `env:"ORDERS_ALERT_WEBHOOK" placeholder:"URL" for:"dev,work,config" help:"Address to which workers post when a condition of orders check begins and ends. Set it for each worker."`

	SMTPURL  string `name:"smtp-url" env:"SMTP_URL" placeholder:"URL" for:"dev,work,config" help:"Mail server that workers send mail by, as smtp://user:password@host:587 or smtps://host. ?tls=opportunistic or ?tls=none allows less than TLS."`
	MailFrom string `env:"ORDERS_MAIL_FROM" placeholder:"ADDRESS" for:"dev,work,config" help:"Sender of mail, for example Orders <orders@shop.example>."`

	WebhookAllowPrivate bool `env:"ORDERS_WEBHOOK_ALLOW_PRIVATE" for:"dev,serve,work,webhook,config" help:"Let webhooks have addresses that are not public, and plain http. dev allows it anyway."`

	LogLevel  slog.Level `env:"ORDERS_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `env:"ORDERS_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// maxOrdersPerJob bounds a shared job: its orders are done in one transaction.
const maxOrdersPerJob = 1_000

// Validate reports all mistakes at once.
func (c *config) Validate() error {
	var mistakes []error

	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	mistakes = append(mistakes, c.checkAddress("ORDERS_LISTEN", c.Listen))

	if c.WorkListen != "" {
		mistakes = append(mistakes, c.checkAddress("ORDERS_WORK_LISTEN", c.WorkListen))
	}

	for _, origin := range c.Origins {
		if !middleware.IsOrigin(origin) {
			mistake("ORDERS_ORIGINS: %q is not an origin; write it as browsers send it, for example https://shop.example: "+
				"a scheme and a host in lower case, and the port if it is not the scheme's own", origin)
		}
	}

	if c.Attempts < 1 || c.Attempts > math.MaxInt16 {
		mistake("ORDERS_ATTEMPTS: %d; write a number from 1 to %d", c.Attempts, math.MaxInt16)
	}

	c.checkTimes(mistake)

	if c.OrdersPerJob < 1 || c.OrdersPerJob > maxOrdersPerJob {
		mistake("ORDERS_ORDERS_PER_JOB: %d; write a number from 1 to %d", c.OrdersPerJob, maxOrdersPerJob)
	}

	if _, err := c.proxy(); err != nil {
		mistakes = append(mistakes, err)
	}

	if c.OperatorToken != "" {
		if err := token.Check(c.OperatorToken); err != nil {
			mistake("ORDERS_OPERATOR_TOKEN: %w", err)
		}
	}

	if c.AlertWebhook != "" {
		if err := webhook.Check(c.AlertWebhook); err != nil {
			mistake("ORDERS_ALERT_WEBHOOK: %w", err)
		}
	}

	c.checkMail(mistake)

	if err := settings.CheckDatabaseURL(c.DatabaseURL); err != nil {
		mistake("DATABASE_URL: %w", err)
	}

	if err := settings.CheckDatabaseURL(c.DirectURL); err != nil {
		mistake("ORDERS_DIRECT_URL: %w", err)
	}

	return errors.Join(mistakes...)
}

// checkMail reports what keeps mail from being sent.
func (c *config) checkMail(mistake func(format string, args ...any)) {
	if c.SMTPURL == "" {
		return
	}

	if err := mail.CheckURL(c.SMTPURL); err != nil {
		mistake("SMTP_URL: %w", err)
	}

	if err := mail.CheckFrom(c.MailFrom); err != nil {
		mistake("ORDERS_MAIL_FROM: %w", err)
	}
}

// checkTimes reports durations that are too short.
func (c *config) checkTimes(mistake func(format string, args ...any)) {
	if c.CompensateEvery < time.Second || c.PendingDeadline < time.Second {
		mistake("ORDERS_COMPENSATE_EVERY and ORDERS_PENDING_DEADLINE: write one second or more, for example 30s")
	}

	if c.MaxWait < 0 || c.MaxWait > 0 && c.MaxWait < time.Second {
		mistake("ORDERS_MAX_WAIT: %s; write one second or more, for example 30s; 0 never refuses", c.MaxWait)
	}

	if c.KeepCompleted < time.Second {
		mistake("ORDERS_KEEP_COMPLETED: %s; write one second or more, for example 5m", c.KeepCompleted)
	}

	if c.KeepEvents < time.Minute {
		mistake("ORDERS_KEEP_EVENTS: %s; write one minute or more, for example 168h", c.KeepEvents)
	}
}

func (c *config) checkAddress(name, address string) error {
	host, _, err := net.SplitHostPort(address)

	switch {
	case err != nil:
		return fmt.Errorf("%s: %q is not an address; write host:port, for example 127.0.0.1:8080", name, address)
	case name == "ORDERS_LISTEN" && c.Insecure && !loopback(host):
		return fmt.Errorf("%s: %q is not loopback, and --insecure asks for no token; "+
			"leave --insecure out, and make tokens with `orders token create`", name, address)
	}

	return nil
}

// asksForTokens tells whether requests need tokens: not for dev on loopback, and not with --insecure.
func (c *config) asksForTokens(dev bool) bool {
	host, _, _ := net.SplitHostPort(c.Listen)

	return !c.Insecure && (!dev || !loopback(host))
}

// proxy is the proxy that may name users; nil for none.
func (c *config) proxy() (*access.Proxy, error) {
	if len(c.ProxyAddresses) == 0 {
		return nil, nil //nolint:nilnil // no proxy is a proxy that is trusted nowhere
	}

	return access.NewProxy(c.ProxyAddresses, c.ProxyUserHeader, c.ProxyGroupsHeader, c.ProxyRoles)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)

	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// defaults are the defaults that other packages define, as variables of the tags above.
func defaults() kong.Vars {
	queue, rules := jobs.Defaults(), repair.DefaultRules()

	return kong.Vars{
		"concurrency":      settings.Concurrency(jobs.Concurrency()).String(),
		"attempts":         strconv.Itoa(queue.Attempts),
		"compensate_every": short(queue.CompensateEvery),
		"keep_completed":   short(queue.KeepCompleted),
		"keep_events":      short(queue.KeepEvents),
		"letter_reasons":   deadletter.Reasons(),
		"orders_per_job":   strconv.Itoa(queue.OrdersPerJob),
		"pending_deadline": short(rules.PendingDeadline),
		"redrive_after":    delays(rules.RedriveAfter),
		"roles":            strings.ReplaceAll(token.Roles(), ",", ", "),
		"event_types":      strings.ReplaceAll(hooks.Types(), ",", ", "),
	}
}

// delays writes durations as the setting has them.
func delays(all []time.Duration) string { return strings.Join(shell.Each(all, short), ",") }

// short writes a duration without its zero parts: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}

	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}

func (c *config) jobs() jobs.Settings {
	return jobs.Settings{
		Attempts: c.Attempts, CompensateEvery: c.CompensateEvery, KeepCompleted: c.KeepCompleted, KeepEvents: c.KeepEvents,
		OrdersPerJob: c.OrdersPerJob, Alert: c.AlertWebhook != "",
	}
}

func (c *config) rules() repair.Rules {
	return repair.Rules{PendingDeadline: c.PendingDeadline, RedriveAfter: c.RedriveAfter}
}

// loggers makes the program's logger, and one for libraries. At info, libraries log
// what interests their authors only.
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

// needDatabase returns an error if DATABASE_URL is not set.
func (c *config) needDatabase() error {
	if c.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set; write postgres://user:password@host:5432/database " +
			"(`orders dev` does not need it: it runs a Postgres of its own)")
	}

	return nil
}

type configCmd struct{}

// Run prints each setting with its environment variable.
func (configCmd) Run(p *program) error {
	shown := p.config

	shown.DatabaseURL, shown.DirectURL = settings.Redacted(shown.DatabaseURL), settings.Redacted(shown.DirectURL)
	shown.AlertWebhook = webhook.Redacted(shown.AlertWebhook)
	shown.SMTPURL = mail.Redacted(shown.SMTPURL)

	if shown.OperatorToken != "" {
		shown.OperatorToken = "(set, but not shown)"
	}

	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)

	for field, value := range reflect.ValueOf(shown).Fields() {
		fmt.Fprintf(w, "%s\t%v\n", field.Tag.Get("env"), settingText(value.Interface()))
	}

	return w.Flush()
}

// settingText writes a value in the form in which it is set.
func settingText(value any) any {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case []time.Duration:
		return delays(v)
	case time.Duration:
		return short(v)
	default:
		return v
	}
}
