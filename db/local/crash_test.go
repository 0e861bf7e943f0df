package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db/local"
)

func TestStartRecoversFromCrash(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := startWith(t, local.Options{Dir: dir, Durable: true})
	run(t, s, `CREATE TABLE kept (n int)`)

	// A backend that computes outlives its postmaster for a while, and Start has to wait for it.
	const busy = `DO $$ BEGIN WHILE clock_timestamp() < now() + interval '2 seconds' LOOP END LOOP; END $$`
	conn := connect(t, s)
	var backend sync.WaitGroup
	backend.Go(func() { _, _ = conn.Exec(context.Background(), busy) })
	t.Cleanup(backend.Wait)
	waitFor(t, "busy backend", func() bool {
		return queryRow(t, s, `SELECT count(*)::text FROM pg_stat_activity WHERE query = $1`, busy) == "1"
	})
	kill(t, postmaster(t, dir))
	stop(t, s)

	s = start(t, dir)
	run(t, s, `INSERT INTO kept VALUES (1)`)
}

func TestStartIgnoresRecycledPid(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	stop(t, start(t, dir))

	// After a reboot the pid in the file may be that of any process; worst, another of the same user.
	other := tempDir(t)
	start(t, other)
	taken := fmt.Appendf(nil, "%d\n%s\n", postmaster(t, other), dir)
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), taken, 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

func TestStartAdoptsOrphan(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	owner := startInHelper(t, dir)
	if _, err := local.Start(t.Context(), local.Options{Dir: dir}); !errors.Is(err, local.ErrInUse) {
		t.Errorf("Start beside the owner: %v, want ErrInUse", err)
	}
	orphan := postmaster(t, dir)
	kill(t, owner.Process.Pid)
	_ = owner.Wait()

	s := start(t, dir)
	if group, err := syscall.Getpgid(orphan); group != orphan {
		t.Errorf("the server is in process group %d, %v: Ctrl-C would reach it", group, err)
	}
	if got := postmaster(t, dir); got != orphan {
		t.Errorf("process %d serves, want the orphan %d", got, orphan)
	}
	run(t, s, `INSERT INTO made_by_helper VALUES (1)`)
	stop(t, s)
	if conn, err := pgx.Connect(t.Context(), s.URL("orders")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the adopted server lives on after Stop")
	}
}

func TestStartAfterInterruptedInitdb(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := make(chan error)
	go func() {
		_, err := local.Start(ctx, local.Options{Dir: dir})
		interrupted <- err
	}()
	waitFor(t, "initdb", func() bool {
		halfMade, _ := filepath.Glob(filepath.Join(dir, "initdb-*", "PG_VERSION"))
		return len(halfMade) > 0
	})
	cancel()
	if err := <-interrupted; err == nil {
		t.Fatal("Start succeeded without initdb")
	}
	// A killed process could not even tidy up.
	if err := os.MkdirAll(filepath.Join(dir, "initdb-killed", "base"), 0o700); err != nil {
		t.Fatal(err)
	}

	start(t, dir)
	if left, _ := filepath.Glob(filepath.Join(dir, "initdb-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
