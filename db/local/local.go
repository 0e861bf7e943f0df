// Package local runs a private Postgres server from the programs installed on this machine, for
// `orders dev` and for tests. Unix only.
//
// The server outlives the process that started it: after a kill -9 it goes on as an orphan, and the
// next Start on the same directory adopts it. Options.Dir then holds
//
//	data/        the database cluster; its owner runs the server
//	run/         the socket, open to the cluster's owner (and root) only
//	lock         held by the living process that owns the server
//	server.log   what the server says; server.log.1 is from the start before
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	superuser = "orders"
	database  = "orders"

	// startTimeout bounds a Start whose context has no deadline. Crash recovery takes the most:
	// it replays up to max_wal_size.
	startTimeout = 2 * time.Minute

	// quitTimeout is for a server told to drop everything, which gives its children five seconds.
	quitTimeout = 10 * time.Second
)

// ErrInUse is returned by Start when another living process owns the server of the directory.
var ErrInUse = errors.New("database directory is in use by another running process")

// Options say where the server lives and how safe it is.
type Options struct {
	Dir      string            // home of data, socket and log; created when missing
	Durable  bool              // keep every commit through crash and power cut; tests need not
	Settings map[string]string // server settings on top of the built-in ones, e.g. max_connections
	Programs string            // directory of initdb and postgres; when empty they are looked for
	Log      *slog.Logger      // may be nil
}

// Server is a running Postgres server that this process owns until Stop.
type Server struct {
	postmaster

	home home
	lock *os.File
}

// Start finds the Postgres programs, initializes a new directory, starts the server and returns when
// it accepts connections. A server that an earlier process left behind is adopted as it is; Durable
// and Settings apply from its next start. The error is ErrInUse when that process still lives.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := s.start(ctx, o); err != nil {
		if diskIsFull(err.Error()) {
			err = fmt.Errorf("%s: %w", s.makeRoom(), err)
		}
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), s.lock.Close())
	}
	return s, nil
}

// URL is the address of one of the server's databases, for pgx and psql alike.
func (s *Server) URL(database string) string {
	// libpq knows no "+" for a space; the slashes stay readable.
	host := strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s.sockets))
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: "host=" + host + "&port=" + port,
	}
	return u.String()
}

// Dir is where the server lives: Options.Dir, made absolute, or a place its user can reach.
func (s *Server) Dir() string { return s.home.dir }

// Alive tells whether the server still runs.
func (s *Server) Alive() bool { return s.alive() }

// LastWords says why a server has ended: what to do, or where its log is.
func (s *Server) LastWords() string {
	file := filepath.Join(s.home.dir, logName)
	const lines = 500 // each session says that it ends, after what has ended them
	if diskIsFull(tail(file, lines)) {
		return s.makeRoom()
	}
	return file + " says why"
}

func (s *Server) makeRoom() string {
	return "the disk is full; make room in the file system of " + s.home.dir
}

// diskIsFull recognizes the system's message, which Postgres and Go write in different case.
func diskIsFull(text string) bool {
	return strings.Contains(strings.ToLower(text), "no space left on device")
}

// IgnoreShell removes the variables from this process's environment that would steer its
// connections and Postgres' programs away from the private server, such as PGOPTIONS and PGSERVICE.
func IgnoreShell() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
}

// Stop ends the server: open transactions are rolled back, nothing committed is lost. When ctx ends
// first, the server is told to quit at once and recovers at its next start. Stopping twice is fine.
func (s *Server) Stop(ctx context.Context) error {
	defer func() { _ = s.lock.Close() }() // the second time it is closed already
	err := s.end(ctx, syscall.SIGINT)
	if err == nil {
		return nil
	}
	quit, cancel := context.WithTimeout(context.WithoutCancel(ctx), quitTimeout)
	defer cancel()
	return fmt.Errorf("stop postgres: %w", errors.Join(err, s.end(quit, syscall.SIGQUIT)))
}

func open(ctx context.Context, o Options) (*Server, error) {
	h, err := openHome(ctx, o.Dir, o.Log)
	if err != nil {
		return nil, err
	}
	lock, err := h.lock()
	if err != nil {
		return nil, err
	}
	return &Server{home: h, lock: lock}, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	left, ok, err := s.home.orphan()
	if err != nil {
		return err
	}
	if ok {
		s.postmaster = left
		switch err := s.ready(ctx); {
		case err == nil:
			o.Log.Info("adopted running postgres", "pid", s.pid, "dir", s.home.dir)
			return nil
		case !errors.Is(err, errExited): // else it was on its way out, and a new one is needed
			return fmt.Errorf("adopt process %d: %w", s.pid, err)
		}
	}
	p, err := findPrograms(ctx, o.Programs, s.home.version())
	if err != nil {
		return err
	}
	if err := s.home.initialize(ctx, p, o.Durable); err != nil {
		return err
	}
	if err := s.home.openSockets(); err != nil {
		return err
	}
	if err := s.launch(ctx, p, o); err != nil {
		return err
	}
	o.Log.Info("started postgres", "pid", s.pid, "dir", s.home.dir, "programs", p)
	return nil
}
