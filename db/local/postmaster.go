package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const pollInterval = 20 * time.Millisecond

var errExited = errors.New("postgres exited")

// postmaster is the server's first process.
type postmaster struct {
	pid     int
	data    string
	sockets string
	exited  <-chan struct{} // nil unless it is a child of this process
}

// orphan finds the server that an earlier process left running on this home.
func (h home) orphan() (postmaster, bool, error) {
	file := filepath.Join(h.data, "postmaster.pid")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return postmaster{}, false, nil
	}
	if err != nil {
		return postmaster{}, false, fmt.Errorf("look for a running postgres: %w", err)
	}
	// Line 1 is the pid, line 5 the socket directory, empty in the first moments.
	lines := append(strings.Split(string(b), "\n"), make([]string, 5)...)
	p := postmaster{data: h.data, sockets: lines[4]}
	if p.pid, err = strconv.Atoi(lines[0]); err == nil && p.alive() {
		if p.sockets == "" {
			p.sockets = h.sockets
		}
		return p, true, nil
	}
	// Postgres takes over the file of a dead server, but not when its pid has gone to another process
	// of the same user, as happens after a reboot. Should any child of the dead server still live,
	// the shared memory it holds keeps a new one from starting.
	if err := os.Remove(file); err != nil {
		return postmaster{}, false, fmt.Errorf("remove stale pid file: %w", err)
	}
	return postmaster{}, false, nil
}

// alive says whether the server still runs. Of one that is not our child only the pid is known; on
// Linux, arguments tell it from a process that got the pid later, and from a zombie, which has none.
// (A child has none either until its exec is done, so they are no help there.)
func (p postmaster) alive() bool {
	if p.exited != nil {
		select {
		case <-p.exited:
			return false
		default:
			return true
		}
	}
	if runtime.GOOS != "linux" {
		return !errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH)
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	return err == nil && bytes.Contains(args, []byte("\x00"+p.data+"\x00"))
}

// end signals the server and waits until it is gone.
func (p postmaster) end(ctx context.Context, sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal postgres: %w", err)
	}
	for p.alive() {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the server has its database and accepts connections. The error is errExited when
// it ends instead.
func (s *Server) ready(ctx context.Context) error {
	for {
		err := s.createDatabase(ctx)
		if err == nil {
			return nil
		}
		if !s.alive() {
			return errExited
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code != pgerrcode.CannotConnectNow {
			return err
		}
		if late := pause(ctx); late != nil {
			return fmt.Errorf("wait for postgres: %w: %w", late, err)
		}
	}
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+database)
	return err
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pollInterval):
		return nil
	}
}
