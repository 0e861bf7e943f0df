package main

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The variables of the shell are for other databases.
func TestDevIgnoresTheVariablesOfTheShell(t *testing.T) {
	t.Parallel()

	settings := devSettings(t)

	maps.Copy(settings, map[string]string{
		"PGHOST": "nowhere.invalid", "PGPORT": "1", "PGUSER": "nobody", "PGDATABASE": "nothing", "PGSERVICE": "nothing",
		"PGOPTIONS": "-c search_path=nothing", "PGAPPNAME": "psql", "PGTZ": "Asia/Tokyo", "PGDATA": "/nowhere", "PGTARGETSESSIONATTRS": "standby",
	})

	p := start(t, settings, "dev").ready()
	pool := devPool(t, settings)

	eventually(t, pool, 0, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'`)

	if code := p.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// A dev whose Postgres dies says so, and where to look.
func TestDevSaysThatItsPostgresHasEnded(t *testing.T) {
	t.Parallel()

	for last, says := range map[string]string{
		"":                                  "server.log says why",
		"PANIC:  No space left on device\n": "the disk is full; make room in the file system of",
	} {
		settings := devSettings(t)
		p := start(t, settings, "dev").ready()
		home := filepath.Join(settings["ORDERS_DATA_DIR"], "postgres")

		data, err := os.ReadFile(filepath.Join(home, "data", "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}

		first, _, _ := strings.Cut(string(data), "\n")

		pid, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}

		log, err := os.OpenFile(filepath.Join(home, "server.log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}

		log.WriteString(last)
		log.Close()

		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}

		if code := p.ended(); code != exitError || !strings.Contains(p.output.String(), "the private Postgres has ended: ") || !strings.Contains(p.output.String(), says) {
			t.Errorf("exit code %d, want %q in: %s", code, says, p.output)
		}
	}
}
