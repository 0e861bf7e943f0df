package main

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"orders/cmd/orders/settings"
	"orders/jobs"
	"orders/order/repair"
)

// parse reads the settings from the command line.
func parse(t *testing.T, args ...string) (config, error) {
	t.Helper()

	var c cli

	_, err := newParser(&c).Parse(append(args, "version"))

	return c.Config, err
}

// Other packages define these defaults; the settings repeat none of them.
func TestDefaultsAreThoseOfThePackages(t *testing.T) {
	t.Parallel()

	c, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}

	if got := c.jobs(); got != jobs.Defaults() {
		t.Errorf("jobs: %+v, want %+v", got, jobs.Defaults())
	}

	got, want := c.rules(), repair.DefaultRules()
	if got.PendingDeadline != want.PendingDeadline || !slices.Equal(got.RedriveAfter, want.RedriveAfter) {
		t.Errorf("repair: %+v, want %+v", got, want)
	}

	if !maps.Equal(c.Concurrency.Worked(), jobs.Concurrency()) {
		t.Errorf("concurrency: %v, want %v", c.Concurrency, jobs.Concurrency())
	}
}

func TestConcurrencyIsSetByQueue(t *testing.T) {
	t.Parallel()

	for setting, changes := range map[string]map[string]int{
		"":                           {},
		"points:7":                   {"points": 7},
		"points:0":                   {"points": 0},
		" inventory:20, lifecycle:1": {"inventory": 20, "lifecycle": 1},
		"points:7,":                  {"points": 7},
		"maintenance: 3":             {"maintenance": 3},
	} {
		want := jobs.Concurrency()
		maps.Copy(want, changes)

		c, err := parse(t, "--concurrency="+setting)
		if err != nil || !maps.Equal(map[string]int(c.Concurrency), want) {
			t.Errorf("%q sets %v, want %v (%v)", setting, c.Concurrency, want, err)
		}

		maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })

		if got := c.Concurrency.Worked(); !maps.Equal(got, want) {
			t.Errorf("%q: the process works %v, want %v", setting, got, want)
		}

		var again settings.Concurrency
		if err := again.UnmarshalText([]byte(c.Concurrency.String())); err != nil || !maps.Equal(again, c.Concurrency) {
			t.Errorf("%q is written as %q and read as %v (%v)", setting, c.Concurrency, again, err)
		}
	}
}

func TestConcurrencyThatIsRefused(t *testing.T) {
	t.Parallel()

	for setting, says := range map[string]string{
		"billing:5":           `there is no queue "billing"; the queues are delivery, inventory, lifecycle, maintenance, notification, points`,
		"points:-1":           `"points:-1": write queue:number, for example inventory:500; 0 leaves the queue to other processes`,
		"points:many":         `"points:many": write queue:number`,
		"points":              `"points": write queue:number`,
		"points:1:2":          `"points:1:2": write queue:number`,
		"inventory:5,points:": `"points:": write queue:number`,
		"500":                 `there is no queue "500"`,
		"points:1,points:2":   `queue "points" is there twice`,
		"inventory:0,points:0,notification:0,lifecycle:0,delivery:0,maintenance:0": "every queue is 0",
	} {
		if _, err := parse(t, "--concurrency="+setting); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error that says %s", setting, err, says)
		}
	}
}

func TestConfigPrintsTheConcurrencyInForce(t *testing.T) {
	t.Parallel()

	var stdout, stderr bytes.Buffer

	code := run(t.Context(), []string{"--concurrency=points:0,lifecycle:9", "config"}, &stdout, &stderr)

	const want = "inventory:100,points:0,notification:100,lifecycle:9,delivery:50,maintenance:2\n"
	if code != exitOK || !strings.Contains(stdout.String(), want) {
		t.Errorf("exit code %d, want ORDERS_CONCURRENCY %s:\n%s%s", code, want, &stdout, &stderr)
	}
}

// Help is read in a hurry.
func TestHelpIsShort(t *testing.T) {
	t.Parallel()

	const words = 25

	err := kong.Visit(newParser(&cli{}).Model, func(node kong.Visitable, next kong.Next) error {
		var name, help string

		switch n := node.(type) {
		case *kong.Node:
			name, help = n.FullPath(), n.Help
		case *kong.Flag:
			name, help = n.Name, n.Help
		case *kong.Positional:
			name, help = n.Name, n.Help
		}

		if help == "" && name != "" {
			t.Errorf("%s has no help", name)
		}

		if n := len(strings.Fields(help)); n > words {
			t.Errorf("%s: its help has %d words, more than %d: %s", name, n, words, help)
		}

		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOrdersPerJobIsBounded(t *testing.T) {
	t.Parallel()

	for setting, valid := range map[string]bool{"0": false, "1": true, "256": true, "1000": true, "1001": false, "-1": false, "many": false} {
		c, err := parse(t, "--orders-per-job="+setting)
		if (err == nil) != valid || valid && strconv.Itoa(c.jobs().OrdersPerJob) != setting {
			t.Errorf("%s: %d, %v", setting, c.OrdersPerJob, err)
		}
	}
}

func TestOriginsAreChecked(t *testing.T) {
	t.Parallel()

	for setting, valid := range map[string]bool{
		"https://shop.example": true, "http://localhost:3000,https://shop.example": true,
		"http://127.0.0.1:8080": true, "http://[::1]:3000": true, "https://xn--mller-kva.example": true, "capacitor://localhost": true,
		"*": false, "shop.example": false, "https://shop.example/": false, "https://shop.example/page": false, "null": false,
		"https://*.shop.example": false, "HTTPS://Shop.example": false, "https://müller.example": false, "https://me@shop.example": false,
		"https://shop.example:443": false, "http://shop.example:80": false, "https://shop.example:80": true,
	} {
		_, err := parse(t, "--origins="+setting)
		if (err == nil) != valid || !valid && !strings.Contains(err.Error(), "write it as browsers send it") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// What `orders config` prints can be set again, and prints the same.
func TestConfigPrintsWhatCanBeSet(t *testing.T) {
	t.Parallel()

	read := func(output string) map[string]string {
		values := map[string]string{}

		for line := range strings.Lines(output) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			values[name] = strings.TrimSpace(value)
		}

		return values
	}

	set := map[string]string{
		"ORDERS_REDRIVE_AFTER": "90s,1h,36h", "ORDERS_CONCURRENCY": "points:3", "ORDERS_INSECURE": "true", "ORDERS_LOG_LEVEL": "warn",
		"ORDERS_WORK_LISTEN": "127.0.0.1:1",
	}

	first := start(t, set, "config")
	if first.ended() != exitOK || read(first.output.String())["ORDERS_REDRIVE_AFTER"] != "1m30s,1h,36h" {
		t.Fatalf("%s", first.output)
	}

	again := start(t, read(first.output.String()), "config")
	if again.ended() != exitOK || again.output.String() != first.output.String() {
		t.Errorf("first\n%s\nagain\n%s", first.output, again.output)
	}
}

func TestVariablesThatAreNoSettingsAreReported(t *testing.T) {
	t.Parallel()

	p := start(t, map[string]string{
		"ORDERS_POINTS_WORKERS": "7", "ORDERS_MAXWAIT": "1s", "ORDERS_MAX_WAIT": "1s",
		"ORDERS_SERVICE_HOST": "10.0.0.1", "ORDERS_SERVICE_PORT_HTTP": "80", "ORDERS_PORT": "tcp://10.0.0.1:80", "ORDERS_PORT_80_TCP_ADDR": "10.0.0.1",
	}, "version")
	if p.ended() != exitOK {
		t.Fatalf("%s", p.output)
	}

	for _, words := range []string{"ORDERS_POINTS_WORKERS is no setting any more; write ORDERS_CONCURRENCY=points:7", "ORDERS_MAXWAIT is no setting"} {
		if !strings.Contains(p.output.String(), words) {
			t.Errorf("want %q in: %s", words, p.output)
		}
	}

	if n := strings.Count(p.output.String(), "a variable is ignored"); n != 2 {
		t.Errorf("%d warnings: %s", n, p.output)
	}
}

func TestDatabaseURLThatIsRefused(t *testing.T) {
	t.Parallel()

	for address, says := range map[string]string{
		"":                                         "",
		"postgres://u:p@h/d":                       "",
		"postgresql://u:p%23%40@h:1/d?a=b":         "",
		"postgres:///d?host=/run&user=me@corp":     "",
		"host=/run dbname=d":                       "",
		"mysql://u:secret@h/d":                     "it begins with mysql://, and orders needs Postgres",
		"h/d":                                      "it is not a URL",
		"postgres://u:secret#x@h/d":                "percent-encode",
		"postgres://u:12#secret@h/d":               "percent-encode",
		"postgres://u:12?secret@h/d":               "percent-encode",
		"postgres://u:12/secret@h/d":               "percent-encode",
		"postgres://u:secret%x@h/d":                "percent-encode",
		"postgres://u:secret@x@h/d":                "percent-encode",
		"postgres://u:secret@x/y@h/d":              "percent-encode",
		"postgres://u:secret@h/d\n":                "a line break",
		"postgres://u:secret@h/d?sslmode=foo":      "sslmode is invalid",
		"postgres://u:secret@h:99999/d":            "it is not an address of Postgres: invalid port",
		"host=h password=secret port=x":            "it is not an address of Postgres: invalid port",
		"postgres://u:secret@h/d?pool_max_conns=x": "cannot parse pool_max_conns",
	} {
		_, err := parse(t, "--database-url="+address)

		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want an error that says %q without the password", address, err, says)
		}
	}
}

// The help of a command has the settings that concern it.
func TestHelpOfACommandHasItsSettingsOnly(t *testing.T) {
	t.Parallel()

	for command, settings := range map[string]map[string]bool{
		"":             {"--attempts": true, "--data-dir": true, "Exit codes:": true},
		"migrate down": {"--database-url": true, "--yes": true, "--attempts": false, "--listen": false, "--log-level": true},
		"work":         {"--concurrency": true, "--work-listen": true, "--data-dir": false},
		"health":       {"--listen": true, "--database-url": false},
	} {
		var out bytes.Buffer

		if code := run(t.Context(), append(strings.Fields(command), "--help"), &out, &out); code != exitOK {
			t.Fatalf("%s: exit code %d", command, code)
		}

		for words, there := range settings {
			if strings.Contains(out.String(), words) != there {
				t.Errorf("%s --help: %s there: %t, want %t\n%s", command, words, !there, there, &out)
			}
		}
	}

	// Each command of a tag exists.
	parser := newParser(&cli{})
	for _, flag := range parser.Model.Flags {
		for name := range strings.SplitSeq(flag.Tag.Get("for"), ",") {
			if name != "" && !slices.ContainsFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == name }) {
				t.Errorf("%s is for %s: there is no such command", flag.Name, name)
			}
		}
	}
}

// The webhook's address may hold a secret.
func TestConfigDoesNotShowTheWebhook(t *testing.T) {
	t.Parallel()

	code, stdout, stderr := inProcess(t, "", "--alert-webhook=https://hooks.example/services/secret", "config")
	if code != exitOK || !strings.Contains(stdout, "https://hooks.example/(not shown)") || strings.Contains(stdout+stderr, "secret") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}

	if _, err := parse(t, "--alert-webhook=hooks.example/secret"); err == nil || !strings.Contains(err.Error(), "write a URL") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
