package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"orders/cmd/bench/database"
)

// ErrNoRabbitMQ is returned if RabbitMQ's programs are not on this machine.
var ErrNoRabbitMQ = errors.New("rabbitmq-server is not installed")

// RabbitPrograms is where Debian has them. Its rabbitmq-server in PATH is a wrapper that
// runs the system's broker, as its user.
const RabbitPrograms = "/usr/lib/rabbitmq/bin"

const rabbitTimeout = time.Minute // it takes six seconds of processor time to start

// RabbitMQ is a broker of its own. It listens on loopback only, and all its data is in a
// directory of the bench.
type RabbitMQ struct {
	URL string

	pid   int
	log   string
	end   context.CancelFunc
	ended sync.WaitGroup
}

// StartRabbitMQ starts the broker whose programs are in a directory, with its data in
// another. The error is [ErrNoRabbitMQ] if the programs are missing.
func StartRabbitMQ(ctx context.Context, dir, programs string) (*RabbitMQ, error) {
	program, err := exec.LookPath(filepath.Join(programs, "rabbitmq-server"))
	epmd, noErlang := exec.LookPath("epmd")

	if err != nil || noErlang != nil {
		return nil, ErrNoRabbitMQ
	}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make RabbitMQ's directory: %w", err)
	}

	r := &RabbitMQ{log: filepath.Join(dir, "rabbitmq.log")}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	r.end = end

	if err := r.start(running, dir, epmd, program); err != nil {
		r.Close()

		return nil, err
	}

	if err := r.ready(ctx); err != nil {
		r.Close()

		return nil, err
	}

	return r, nil
}

// start runs Erlang's port mapper, which would else outlive the broker, and the broker.
func (r *RabbitMQ) start(ctx context.Context, dir, epmd, program string) error {
	var ports [3]string

	for n := range ports {
		address, err := freeAddress(ctx)
		if err != nil {
			return err
		}

		_, ports[n], _ = net.SplitHostPort(address) // it has both
	}

	at := func(name string) string { return filepath.Join(dir, name) }
	environment := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, // which has Erlang's cookie
		"ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + ports[0],
		"RABBITMQ_NODENAME=bench-" + ports[1] + "@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + ports[1], "RABBITMQ_DIST_PORT=" + ports[2],
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RUNNING_UNDER_SYSTEMD=true", // else its script starts Erlang as a child, instead of becoming it
		"RABBITMQ_MNESIA_BASE=" + at("mnesia"), "RABBITMQ_LOG_BASE=" + at("log"), "RABBITMQ_LOGS=-", "RABBITMQ_PID_FILE=" + at("pid"),
		// None of these files exists: the machine's own must not apply.
		"RABBITMQ_CONFIG_FILE=" + at("rabbitmq"), "RABBITMQ_ADVANCED_CONFIG_FILE=" + at("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + at("env.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + at("plugins"),
	}
	r.URL = "amqp://guest:guest@127.0.0.1:" + ports[1]

	log, err := os.Create(r.log)
	if err != nil {
		return fmt.Errorf("RabbitMQ's log: %w", err)
	}
	defer log.Close()

	for _, name := range []string{epmd, program} {
		cmd := exec.CommandContext(ctx, name) //nolint:gosec // the programs that were found
		cmd.Env, cmd.Stdout, cmd.Stderr = environment, log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the terminal's Ctrl-C
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start RabbitMQ: %w", err)
		}

		r.pid = cmd.Process.Pid // in the end the broker's
		r.ended.Go(func() { _ = cmd.Wait() })
	}

	return nil
}

// ready waits until the broker lets clients connect.
func (r *RabbitMQ) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rabbitTimeout)
	defer cancel()

	for database.Sleep(ctx, 100*time.Millisecond) {
		if conn, err := amqp.Dial(r.URL); err == nil {
			return conn.Close()
		}
	}

	return fmt.Errorf("RabbitMQ is not ready: %w: %s", context.Cause(ctx), tail(r.log))
}

// Close kills the broker: nobody needs its data any more.
func (r *RabbitMQ) Close() {
	r.end()
	r.ended.Wait()
}
