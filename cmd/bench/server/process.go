package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"orders/cmd/bench/database"
)

const (
	readyTimeout = 30 * time.Second
	endTimeout   = time.Minute // serve and work drain for 30 s at most
)

// A process is a running one of the service.
type process struct {
	name    string
	role    string // serve or work
	address string // of its HTTP
	cmd     *exec.Cmd
	log     string
	ended   chan error
	end     context.CancelFunc
	killed  bool // by the scenario
}

// startProcess runs a command, whose HTTP is at a free address. Of the environment it
// sees the settings and what any process needs.
func startProcess(ctx context.Context, o Options, command, name string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}

	words := strings.Fields(command)
	p := &process{
		name: name, role: words[len(words)-1], address: address, log: filepath.Join(o.LogDir, name+".log"), ended: make(chan error, 1),
	}

	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer out.Close()

	running, end := context.WithCancel(context.WithoutCancel(ctx)) // stop ends it, which lets it drain
	p.end = end
	p.cmd = exec.CommandContext(running, o.Program, words...) //nolint:gosec // the program that is measured
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = endTimeout
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the terminal's Ctrl-C
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "DATABASE_URL=" + o.DatabaseURL,
		"ORDERS_LISTEN=" + address, "ORDERS_WORK_LISTEN=" + address, "ORDERS_LOG_LEVEL=warn", "ORDERS_INSECURE=true",
		"ORDERS_MAX_WAIT=10m", // long enough that no order is refused, unless the scenario is about that
	}

	if o.AllowPrivate {
		p.cmd.Env = append(p.cmd.Env, "ORDERS_WEBHOOK_ALLOW_PRIVATE=true")
	}

	for variable, value := range o.Settings {
		p.cmd.Env = append(p.cmd.Env, variable+"="+value)
	}

	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}

	go func() { p.ended <- p.cmd.Wait() }()

	return p, nil
}

// ready waits until the process answers that it is.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	for database.Sleep(ctx, 10*time.Millisecond) && len(p.ended) == 0 {
		status, _, err := fasthttp.GetTimeout(nil, "http://"+p.address+"/readyz", readyTimeout)
		if err == nil && status == fasthttp.StatusOK {
			return nil
		}
	}

	return fmt.Errorf("%s is not ready", p.name)
}

// stop ends the process with SIGTERM, and kills it if it does not end in time.
func (p *process) stop() error {
	p.end()

	if err := <-p.ended; err != nil && !p.killed && !errors.Is(err, context.Canceled) { // that is what exit code 0 gives
		return fmt.Errorf("stop %s: %w: %s", p.name, err, tail(p.log))
	}

	return nil
}

// tail is the last 4 KiB of a log.
func tail(log string) string {
	text, _ := os.ReadFile(log) //nolint:gosec // a log that this package has written; without the log, the error is just shorter
	return string(text[max(0, len(text)-4096):])
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()

	return listener.Addr().String(), nil
}
