package main

import (
	"encoding/json"
	"strings"
	"testing"

	"orders/db/dbtest"
)

// The databases of tests do not fsync, which must be mended.
func TestDoctor(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	code, stdout, stderr := inProcess(t, url, "doctor")
	if code != exitError || !strings.Contains(stdout, "mend    fsync") || !strings.Contains(stdout, "ALTER SYSTEM SET fsync = on") || !strings.Contains(stdout, "PostgreSQL") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}

	code, stdout, _ = inProcess(t, url, "doctor", "--format", "json")

	var findings []struct {
		Name  string `json:"name"`
		Level string `json:"level"`
		Says  string `json:"says"`
		Do    string `json:"do"`
	}
	if err := json.Unmarshal([]byte(stdout), &findings); code != exitError || err != nil || len(findings) < 20 || findings[0].Level != "mend" {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}

	if code, stdout, _ := inProcess(t, dbtest.Empty(t), "doctor"); code != exitError || !strings.Contains(stdout, "run `orders migrate up`") {
		t.Errorf("an empty database: exit code %d: %s", code, stdout)
	}

	if code, _, stderr := inProcess(t, "postgres://127.0.0.1:1/x", "doctor"); code != exitUnavailable || !strings.Contains(stderr, "no Postgres listens") {
		t.Errorf("no database: exit code %d: %s", code, stderr)
	}
}
