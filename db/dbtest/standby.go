package dbtest

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"orders/db/local"
)

// Server gives the test a Postgres server of its own, with an empty database "orders". Settings
// are the server's, for instance synchronous_standby_names.
func Server(tb testing.TB, settings map[string]string) *local.Server {
	tb.Helper()
	return startServer(tb, serverDir(tb), settings)
}

// Standby gives the test a server that follows the primary.
func Standby(tb testing.TB, primary *local.Server) *local.Server {
	tb.Helper()
	dir := serverDir(tb)
	data := filepath.Join(dir, "data")
	out, err := exec.CommandContext(tb.Context(), "pg_basebackup",
		"--dbname", primary.URL("postgres"), "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync").CombinedOutput()
	if err != nil {
		tb.Fatalf("dbtest: pg_basebackup: %v\n%s", err, out)
	}
	// It runs as the user that the primary runs as, who need not be us.
	info, err := os.Stat(filepath.Join(primary.Dir(), "data"))
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	err = filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid)) //nolint:gosec // the directory is ours
	})
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	return startServer(tb, dir, nil)
}

// Restart starts a server again that was stopped, on its data.
func Restart(tb testing.TB, server *local.Server) *local.Server {
	tb.Helper()
	return startServer(tb, server.Dir(), nil)
}

// Either is the address of database "orders" on two servers, of which clients use the primary.
func Either(a, b *local.Server) string {
	host := func(s *local.Server) string {
		_, query, _ := strings.Cut(s.URL("orders"), "?host=")
		name, _, _ := strings.Cut(query, "&")
		return name
	}
	return "postgres://orders@/orders?host=" + host(a) + "," + host(b) + "&port=5432,5432&target_session_attrs=read-write"
}

// serverDir is a directory that the server's user can reach, which TempDir is not for root.
func serverDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "orders-test-*") //nolint:usetesting // see above
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func startServer(tb testing.TB, dir string, settings map[string]string) *local.Server {
	tb.Helper()
	all := map[string]string{"shared_buffers": "32MB"}
	maps.Copy(all, settings)
	server, err := local.Start(tb.Context(), local.Options{Dir: dir, Settings: all})
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	tb.Cleanup(func() { _ = server.Stop(context.WithoutCancel(tb.Context())) })
	return server
}
