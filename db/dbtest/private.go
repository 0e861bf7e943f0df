package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"orders/db/local"
)

// janitor waits for the end of its input, which comes when stop closes the pipe and also when the
// test process panics, runs into its -timeout or is killed. Nothing in the directory is worth a clean
// shutdown.
const janitor = `
cat
file=$1/data/postmaster.pid
pid=$(head -n 1 "$file") && kill -QUIT "$pid"
while [ -e "$file" ] && kill -0 "$pid"; do sleep 0.02; done
rm -rf "$@"`

// private is a server of this process's own, in a temporary directory.
type private struct {
	*local.Server

	janitor *exec.Cmd
	alive   io.Closer
}

func startPrivate(ctx context.Context) (_ *private, err error) {
	dir, err := os.MkdirTemp("", "orders-test-*")
	if err != nil {
		return nil, fmt.Errorf("create test server: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	local.IgnoreShell()
	server, err := local.Start(ctx, local.Options{Dir: dir, Settings: map[string]string{"max_connections": "300"}})
	if err != nil {
		return nil, err
	}
	p := &private{Server: server}
	p.janitor = exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", janitor, "janitor", server.Dir(), dir)
	p.janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of the terminal's Ctrl-C
	if p.alive, err = p.janitor.StdinPipe(); err != nil {
		return nil, fmt.Errorf("watch test server: %w", err)
	}
	if err := p.janitor.Start(); err != nil {
		return nil, fmt.Errorf("watch test server: %w", err)
	}
	return p, nil
}

func (p *private) stop() error {
	if err := errors.Join(p.alive.Close(), p.janitor.Wait()); err != nil {
		return fmt.Errorf("remove test server: %w", err)
	}
	return nil
}
