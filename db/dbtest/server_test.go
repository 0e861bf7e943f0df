package dbtest_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
)

// dying makes a test process kill itself as soon as it has a server.
const dying = "ORDERS_DBTEST_DYING"

var migrations atomic.Int32

func TestMain(m *testing.M) {
	if os.Getenv(dying) != "" {
		dbtest.Main(m, die)
	}
	dbtest.Main(m, migrate)
}

func migrate(ctx context.Context, url string) error {
	migrations.Add(1)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `CREATE TABLE notes (body text NOT NULL)`)
	return err
}

func die(_ context.Context, url string) error {
	fmt.Fprint(os.Stdout, url)
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func TestServerEndsWithKilledProcess(t *testing.T) {
	t.Parallel()
	out, _ := again(t, dying+"=1").Output()
	address, err := url.Parse(string(out))
	sockets := address.Query().Get("host")
	if err != nil || sockets == "" {
		t.Fatalf("the dying process printed %q, not the address of its database", out)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(sockets); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", sockets)
		}
	}
}

func TestGivenServer(t *testing.T) {
	t.Parallel()
	given := dbtest.Empty(t)
	if out, err := again(t, "ORDERS_TEST_DATABASE_URL="+given).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Databases are called test_PROCESS_NUMBER; of the other process none may be left.
	var left int
	err := connect(t, given).QueryRow(t.Context(), `
		SELECT count(*)
		FROM pg_database
		WHERE datname LIKE 'test\_%'
			AND split_part(datname, '_', 2) <> split_part(current_database(), '_', 2)`).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d databases left, %v; want none", left, err)
	}
}

// again is this test program once more, for the tests that use a migrated database.
func again(t *testing.T, env string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPool$")
	cmd.Env = append(os.Environ(), env)
	return cmd
}
