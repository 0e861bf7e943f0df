package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bouncer ends PgBouncer with its input, which closes when the test process ends in any way.
const bouncer = `pgbouncer -q "$1" & cat; kill "$!"`

// PgBouncer starts a PgBouncer in transaction mode before the database at url, with at most
// size sessions, and returns its address.
func PgBouncer(tb testing.TB, url string, size int) string {
	tb.Helper()
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		tb.Fatal("dbtest: pgbouncer is missing: install it, on Debian with apt-get install pgbouncer")
	}
	database, err := pgx.ParseConfig(url)
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	address := listener.Addr().(*net.TCPAddr) //nolint:forcetypeassert // it is TCP
	_ = listener.Close()
	password := ""
	if database.Password != "" {
		password = " password=" + database.Password
	}
	file := filepath.Join(serverDir(tb), "pgbouncer.ini")
	config := fmt.Sprintf(`
[databases]
%s = host=%s port=%d user=%s%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = %d
`, database.Database, database.Host, database.Port, database.User, password, address.Port, size)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { //nolint:gosec // a test's, and another user reads it
		tb.Fatalf("dbtest: %v", err)
	}
	_ = os.Chmod(filepath.Dir(file), 0o755)
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), "/bin/sh", "-c", bouncer, "bouncer", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// It refuses to run as root, and enters the directory of the server's sockets.
	if info, err := os.Stat(database.Host); err == nil && os.Geteuid() == 0 {
		owner, _ := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	alive, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	tb.Cleanup(func() {
		_ = alive.Close()
		_ = cmd.Wait()
		if tb.Failed() {
			tb.Log(log.String())
		}
	})
	pooled := "postgres://" + database.User + "@" + address.String() + "/" + database.Database + "?sslmode=disable"
	awaitServer(tb, pooled)
	return pooled
}

func awaitServer(tb testing.TB, url string) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a test's
		conn, err := pgx.Connect(tb.Context(), url)
		if err == nil {
			_ = conn.Close(tb.Context())
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("dbtest: pgbouncer does not respond: %v", err)
		}
	}
}
