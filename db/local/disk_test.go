package local_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orders/db/local"
)

// Stand-ins for Postgres' programs do what the real ones do on a full disk.
func TestStartSaysThatTheDiskIsFull(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	if err := os.Chmod(programs, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"postgres": `echo "postgres (PostgreSQL) 18.0"`,
		"initdb": `case "$1" in --version) echo "initdb (PostgreSQL) 18.0"; exit;; esac
			echo 'initdb: error: could not write file "pg_wal": No space left on device' >&2; exit 1`,
	} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := tempDir(t)
	_, err := local.Start(t.Context(), local.Options{Dir: dir, Programs: programs})
	if err == nil || !strings.HasPrefix(err.Error(), "start postgres: the disk is full; make room in the file system of "+dir) {
		t.Errorf("%v, want an error that begins with what to do", err)
	}
}
