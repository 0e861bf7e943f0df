package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"orders/cmd/bench/server"
)

// TestCPUTimesCountChildren shows that the time of a child counts, while it lives and afterwards.
func TestCPUTimesCountChildren(t *testing.T) {
	t.Parallel()

	const burn = `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`

	for name, script := range map[string]string{
		"living": `sh -c '` + burn + `; echo burnt; read -r line'; true`,
		"ended":  `sh -c '` + burn + `'; echo burnt; read -r line`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)

			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}

			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}

			if err != nil {
				t.Fatal(err)
			}

			defer func() {
				in.Close()
				cmd.Wait()
			}()

			if _, err := out.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}

			seconds, err := server.CPUTimes(map[int]string{cmd.Process.Pid: "shell", os.Getpid(): "test"})
			if err != nil {
				t.Fatal(err)
			}

			if seconds["shell"] < 0.02 || seconds["shell"] > 60 || seconds["test"] > 600 {
				t.Errorf("seconds = %v", seconds)
			}
		})
	}
}

// TestStartTellsWhatAProgramSaid has a program that ends instead of getting ready.
func TestStartTellsWhatAProgramSaid(t *testing.T) {
	t.Parallel()

	program := filepath.Join(t.TempDir(), "orders")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no such database $DATABASE_URL; exit 3"), 0o700); err != nil {
		t.Fatal(err)
	}

	_, err := server.Start(t.Context(), server.Options{Program: program, DatabaseURL: "here", LogDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no such database here") {
		t.Errorf("error = %v", err)
	}
}
