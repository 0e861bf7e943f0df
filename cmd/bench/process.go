package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	readyTimeout = 30 * time.Second
	endTimeout   = time.Minute // serve and work drain for 30 s at most
)

// A process is a real one of the service, running.
type process struct {
	name    string
	address string // of its HTTP, a worker's health included
	cmd     *exec.Cmd
	log     string
	ended   chan struct{} // closed when it has
}

// startProcess runs a program whose HTTP is at a free address, with the
// arguments and settings that ask gives it there. The settings are all it sees of
// the environment, but for what a process needs to be one.
func startProcess(
	ctx context.Context, name, dir, program string, ask func(address string) (args []string, settings map[string]string),
) (*process, error) {
	address, err := loopback(ctx)
	if err != nil {
		return nil, err
	}

	p := &process{name: name, address: address, log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}

	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer out.Close()

	args, settings := ask(address)

	// Ended by stop, which lets it drain, and not by the context.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // the program that is measured
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the terminal's Ctrl-C

	for variable, value := range settings {
		p.cmd.Env = append(p.cmd.Env, variable+"="+value)
	}

	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}

	go func() {
		_ = p.cmd.Wait() // how it ended is asked in stop
		close(p.ended)
	}()

	return p, nil
}

// ready waits until it can do its work.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask %s: %w", p.name, err)
		}

		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()

			if response.StatusCode == http.StatusOK {
				return nil
			}
		}

		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.name, context.Cause(ctx), p.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop asks it to end, as orchestrators do.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}

	select {
	case <-p.ended:
	case <-time.After(endTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended

		return fmt.Errorf("%s did not end within %s: %s", p.name, endTimeout, p.tail())
	}

	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with exit code %d: %s", p.name, code, p.tail())
	}

	return nil
}

// tail is the end of what it logged.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}

	const lines = 20

	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))

	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

func loopback(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()

	return listener.Addr().String(), nil
}
