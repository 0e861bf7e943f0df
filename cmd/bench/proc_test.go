package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()

	// A name may look like fields.
	line := "4711 (a) R 1 (b)) S 42 4711 4711 0 -1 4194560 900 0 0 0 150 50 30 20 20 0 1 0 100 0 0\n"

	got, err := parseStat([]byte(line))
	if err != nil {
		t.Fatal(err)
	}

	if want := (stat{parent: 42, cpu: 2 * time.Second, ended: 500 * time.Millisecond}); got != want {
		t.Errorf("stat = %+v, want %+v", got, want)
	}

	for _, broken := range []string{"", "1 (a) S 1", "1 (a) S x 1 1 0 -1 0 0 0 0 0 1 1 1 1 20 0 1 0 1"} {
		if got, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("parseStat(%q) = %+v", broken, got)
		}
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()

	const status = "Name:\torders\nVmHWM:\t   51234 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\n"

	for name, want := range map[string]int64{"VmHWM": 51234 << 10, "VmRSS": 1 << 20, "RssAnon": 512 << 10} {
		if got, err := parseMemory(status, name); err != nil || got != want {
			t.Errorf("%s = %d, %v, want %d", name, got, err, want)
		}
	}

	if _, err := parseMemory(status, "VmSwap"); err == nil {
		t.Error("no error for what is not there")
	}
}

// TestFamilyCountsChildren shows that the time of a child counts, while it lives and afterwards.
func TestFamilyCountsChildren(t *testing.T) {
	t.Parallel()

	const burn = `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`

	// The parent has waited for one child, and waits for another one that goes on until its input ends.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `sh -c '`+burn+`'; sh -c '`+burn+`; echo burnt; read -r line'; true`)

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

	whole, err := cpuOfFamily(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}

	parent, err := readStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}

	if parent.ended < 2*tick {
		t.Errorf("the child that has ended used %s", parent.ended)
	}

	if living := whole - parent.cpu - parent.ended; living < 2*tick {
		t.Errorf("the child that lives used %s", living)
	}

	if rss, err := memoryOf(os.Getpid(), "VmRSS"); err != nil || rss < 1<<20 {
		t.Errorf("own memory = %d, %v", rss, err)
	}
}
