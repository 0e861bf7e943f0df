package workers_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/local"
	"orders/db/schema"
)

// serverDir is a directory that the server's user can reach, which t.TempDir is not for root.
func serverDir(t *testing.T) string {
	t.Helper()

	dir, err := os.MkdirTemp("", "orders-test-*") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { os.RemoveAll(dir) })

	return dir
}

// startServer starts a Postgres server in dir, whose data may be there already.
func startServer(t *testing.T, dir string) *local.Server {
	t.Helper()

	server, err := local.Start(t.Context(), local.Options{Dir: dir, Settings: map[string]string{"shared_buffers": "32MB"}})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { server.Stop(context.WithoutCancel(t.Context())) })

	return server
}

// standby starts a server that follows the primary asynchronously.
func standby(t *testing.T, primary *local.Server) *local.Server {
	t.Helper()

	dir := serverDir(t)
	data := filepath.Join(dir, "data")

	out, err := exec.CommandContext(t.Context(), "pg_basebackup",
		"--dbname", primary.URL("postgres"), "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}

	// It runs as the user that the primary runs as, who need not be us.
	info, err := os.Stat(filepath.Join(primary.Dir(), "data"))
	if err != nil {
		t.Fatal(err)
	}

	owner := info.Sys().(*syscall.Stat_t)

	err = filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}

	return startServer(t, dir)
}

// either is the address of two servers, of which clients use the primary.
func either(a, b *local.Server) string {
	host := func(s *local.Server) string {
		_, query, _ := strings.Cut(s.URL("orders"), "?host=")
		name, _, _ := strings.Cut(query, "&")

		return name
	}

	return "postgres://orders@/orders?host=" + host(a) + "," + host(b) + "&port=5432,5432&target_session_attrs=read-write"
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return pool
}

// A primary dies after the effects of points are committed there. The standby has the orders
// and their running jobs, and not the effects. After its promotion each order settles: no job
// is completed whose effect was lost.
func TestOrdersSettleAfterAFailoverThatLostTheirEffects(t *testing.T) {
	t.Parallel()

	const shared, alone = 20, 5

	first := startServer(t, serverDir(t))
	if err := schema.Up(t.Context(), first.URL("orders")); err != nil {
		t.Fatal(err)
	}

	second := standby(t, first)
	primary, follower := openPool(t, first.URL("orders")), openPool(t, second.URL("orders"))
	b := setupOn(t, openPool(t, either(first, second)))

	release := hold(&bundle{t: t, pool: primary}, `LOCK TABLE points_balances`) // the entries are written by then
	w := b.start()

	b.together(shared)

	for range alone {
		b.order(1)
	}

	const running = `SELECT count(*) FROM river_job WHERE queue = 'points' AND state = 'running'`

	b.eventually(1+alone, running)
	b.eventually(shared+alone, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	follows := &bundle{t: t, pool: follower}
	follows.eventually(1, `SELECT count(*) FROM pg_class WHERE relname = 'river_job'`)
	follows.eventually(1+alone, running)
	follows.eventually(shared+alone, `SELECT count(*) FROM orders WHERE status = 'confirmed'`)

	// From here on, the standby gets nothing.
	for _, sql := range []string{`ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`} {
		follows.exec(sql)
	}

	follows.eventually(0, `SELECT count(*) FROM pg_stat_wal_receiver`)

	release()
	b.eventually(shared+alone, `SELECT count(*) FROM points_entries`)

	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	follows.exec(`SELECT pg_promote()`)
	follows.eventually(0, `SELECT pg_is_in_recovery()::int`)

	if n := dbtest.Count(t, follower, `SELECT count(*) FROM points_entries`); n != 0 {
		t.Fatalf("%d effects have reached the standby: the test tests nothing", n)
	}

	if err := w.Stop(t.Context()); err != nil { // what River still holds in memory is written now
		t.Logf("stop: %v", err) // the worker's lock was on the old primary
	}

	b.start()
	b.eventually(0, `SELECT count(*) FROM undone_steps`)
	b.sound()

	if n := dbtest.Count(t, follower, `SELECT count(*) FROM points_entries`); n != shared+alone {
		t.Errorf("%d orders have their points", n)
	}
}
