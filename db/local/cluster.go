package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// version is the major version of Postgres that made the data, 0 when there is none yet.
func (h home) version() int {
	b, err := os.ReadFile(filepath.Join(h.data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	return firstNumber(string(b))
}

// initialize makes the database cluster unless there is one. It is built aside and renamed when
// complete, so that no interruption leaves half a cluster under the name that counts. The name aside
// is new each time: an initdb whose parent was killed may still be writing under the last one.
func (h home) initialize(ctx context.Context, p programs, durable bool) error {
	if h.version() != 0 {
		return nil
	}
	const aside = "initdb-*"
	abandoned, _ := fs.Glob(os.DirFS(h.dir), aside) // fails on a bad pattern only
	for _, name := range abandoned {
		_ = os.RemoveAll(filepath.Join(h.dir, name)) // in nobody's way; the next new start tries again
	}
	temp, err := os.MkdirTemp(h.dir, aside)
	if err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // renamed, unless something failed
	if err := h.give(temp); err != nil {
		return fmt.Errorf("give data directory to postgres: %w", err)
	}
	out, err := h.command(ctx, p.path("initdb"), initdbArgs(temp, durable)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := os.Rename(temp, h.data); err != nil {
		return fmt.Errorf("put data directory in place: %w", err)
	}
	return syncDir(h.dir)
}

func initdbArgs(data string, durable bool) []string {
	args := []string{
		"--pgdata=" + data,
		"--username=" + superuser,
		"--encoding=UTF8",
		// Byte order sorts alike everywhere and forever; a locale's order changes with the system's
		// C library and silently breaks the indexes built before.
		"--locale=C",
		"--data-checksums",
		"--auth-local=trust", // the socket directory's mode keeps others out
		"--auth-host=reject", // should anybody ever turn TCP on
	}
	if !durable {
		args = append(args, "--no-sync")
	}
	return args
}

// syncDir makes a rename inside dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	return nil
}
