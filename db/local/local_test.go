package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orders/db/local"
)

func TestStartKeepsData(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)

	s := start(t, dir)
	run(t, s, `CREATE TABLE kept (n int)`)
	stop(t, s)
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}

	s = start(t, dir)
	run(t, s, `INSERT INTO kept VALUES (1)`)
}

func TestStartSettings(t *testing.T) {
	t.Parallel()
	s := startWith(t, local.Options{
		Dir:      tempDir(t),
		Durable:  true,
		Settings: map[string]string{"max_connections": "17"},
	})
	for name, want := range map[string]string{
		"data_checksums":   "on",
		"fsync":            "on",
		"listen_addresses": "",
		"max_connections":  "17",
		"server_encoding":  "UTF8",
		"TimeZone":         "UTC",
	} {
		if got := queryRow(t, s, `SELECT current_setting($1)`, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestStartRefusesDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	start(t, dir)
	_, err := local.Start(t.Context(), local.Options{Dir: dir})
	if !errors.Is(err, local.ErrInUse) {
		t.Errorf("second Start: %v, want ErrInUse", err)
	}
}

func TestStartInLongDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("long, /", 20))
	s := start(t, dir)
	sockets := strings.Trim(queryRow(t, s, `SELECT current_setting('unix_socket_directories')`), `"`)
	t.Cleanup(func() { os.RemoveAll(sockets) })
	if s.Dir() != filepath.Clean(dir) {
		t.Errorf("Dir() = %s, want %s", s.Dir(), dir)
	}
	if info, err := os.Stat(sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("sockets are in %v, %v; want mode 0700", info, err)
	}
}

func TestStartReportsServerLog(t *testing.T) {
	t.Parallel()
	_, err := local.Start(t.Context(), local.Options{
		Dir:      tempDir(t),
		Settings: map[string]string{"shared_buffers": "nonsense"},
	})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Errorf("Start: %v, want the server's own words", err)
	}
}

// Not parallel: it changes the environment.
func TestStartWithoutPrograms(t *testing.T) {
	t.Setenv("ORDERS_POSTGRES_BIN", t.TempDir())
	_, err := local.Start(t.Context(), local.Options{Dir: tempDir(t)})
	for _, want := range []string{"no Postgres programs", "apt-get install", "ORDERS_POSTGRES_BIN", "DATABASE_URL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start: %v, want it to name %s", err, want)
		}
	}
}

// As root the server runs as another user, who may not pass where root may.
func TestStartBehindClosedDoor(t *testing.T) {
	t.Parallel()
	closed := tempDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	s := start(t, dir)
	run(t, s, `SELECT`)
	stop(t, s)
	if os.Geteuid() != 0 {
		if s.Dir() != dir {
			t.Errorf("Dir() = %s, want %s", s.Dir(), dir)
		}
		return
	}
	os.RemoveAll(s.Dir())
	if !strings.HasPrefix(s.Dir(), "/var/lib/orders-") {
		t.Errorf("Dir() = %s, want it in /var/lib", s.Dir())
	}
}
