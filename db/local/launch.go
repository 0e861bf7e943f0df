package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const logName = "server.log"

// launch starts a server and waits until it is ready. It tries again while children of a killed
// predecessor hold its shared memory: they end by themselves, but not before their query does.
func (s *Server) launch(ctx context.Context, p programs, o Options) error {
	logFile := filepath.Join(s.home.dir, logName)
	if err := os.Rename(logFile, logFile+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("keep the last server log: %w", err)
	}
	for {
		if err := s.spawn(ctx, p, o, logFile); err != nil {
			return err
		}
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		said := tail(logFile, 12) //nolint:mnd // as many as a person reads
		if errors.Is(err, errExited) && strings.Contains(said, "is still in use") && pause(ctx) == nil {
			continue
		}
		quit, cancel := context.WithTimeout(context.WithoutCancel(ctx), quitTimeout)
		defer cancel()
		return errors.Join(fmt.Errorf("%w; the end of %s:\n%s", err, logFile, said), s.end(quit, syscall.SIGQUIT))
	}
}

func (s *Server) spawn(ctx context.Context, p programs, o Options, logFile string) error {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open server log: %w", err)
	}
	defer func() { _ = out.Close() }()
	args := []string{"-D", s.home.data}
	settings := o.settings(s.home.sockets)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	// The server must not end with the context of Start: Stop ends it.
	cmd := s.home.command(context.WithoutCancel(ctx), p.path("postgres"), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run postgres: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	s.postmaster = postmaster{pid: cmd.Process.Pid, data: s.home.data, sockets: s.home.sockets, exited: exited}
	return nil
}

// settings are passed as arguments, so that a change here applies at the next start of any cluster.
func (o Options) settings(sockets string) map[string]string {
	settings := map[string]string{
		"listen_addresses":        "", // the socket only
		"port":                    port,
		"unix_socket_directories": `"` + sockets + `"`, // quoted: it is a list, and paths may hold commas
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"max_connections":         "200",   // API, workers and a few psql, without counting
		"shared_buffers":          "256MB", // the hot tables of a laptop's load, and little of its memory
		"max_wal_size":            "4GB",   // fewer checkpoints under a benchmark than with 1GB
	}
	if o.Durable {
		settings["wal_compression"] = "on" // full pages are most of the log, and disks slower than processors
	} else {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, o.Settings)
	return settings
}

// tail returns the last lines of the file, or why it cannot.
func tail(file string, lines int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
