package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 wherever Linux runs Go.
const tick = time.Second / 100

// stat is what /proc/PID/stat tells of a process.
type stat struct {
	parent int
	cpu    time.Duration // its own
	ended  time.Duration // of the children it has waited for
}

// parseStat reads a stat line. The program's name may hold anything, brackets
// and spaces included, so fields are counted from the last bracket.
func parseStat(line []byte) (stat, error) {
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("stat has %d fields behind the name", len(fields))
	}

	var (
		numbers [5]int
		err     error
	)

	for i, field := range []string{fields[1], fields[11], fields[12], fields[13], fields[14]} {
		if numbers[i], err = strconv.Atoi(field); err != nil {
			return stat{}, fmt.Errorf("read stat: %w", err)
		}
	}

	return stat{
		parent: numbers[0],
		cpu:    time.Duration(numbers[1]+numbers[2]) * tick,
		ended:  time.Duration(numbers[3]+numbers[4]) * tick,
	}, nil
}

func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("read stat: %w", err)
	}

	return parseStat(line)
}

// cpuOf is the processor time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	s, err := readStat(pid)

	return s.cpu, err
}

// family lists the children of a process.
func family(pid int) (map[int]stat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}

	children := map[int]stat{}

	for _, file := range files {
		line, err := os.ReadFile(file) //nolint:gosec // of /proc
		if err != nil {
			continue // it has ended
		}

		s, err := parseStat(line)
		if err != nil {
			return nil, err
		}

		if s.parent == pid {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			children[child] = s
		}
	}

	return children, nil
}

// cpuOfFamily is the time of a process and its children, of those that have
// ended, too: sessions come and go.
func cpuOfFamily(pid int) (time.Duration, error) {
	children, err := family(pid)
	if err != nil {
		return 0, err
	}

	parent, err := readStat(pid)
	if err != nil {
		return 0, err
	}

	sum := parent.cpu + parent.ended
	for _, child := range children {
		sum += child.cpu
	}

	return sum, nil
}

// memoryOf reads a size from /proc/PID/status, in bytes: VmHWM is the peak of
// what is resident, VmRSS what is now, RssAnon what of that is the process's own.
func memoryOf(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read status: %w", err)
	}

	return parseMemory(string(text), name)
}

func parseMemory(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}

		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}

		return kilobytes << 10, nil
	}

	return 0, errors.New("status has no " + name)
}

// privateOfFamily is what the children have for themselves: shared buffers,
// which each of them maps, are not counted once a session.
func privateOfFamily(pid int) (int64, error) {
	children, err := family(pid)
	if err != nil {
		return 0, err
	}

	var sum int64

	for child := range children {
		if own, err := memoryOf(child, "RssAnon"); err == nil { // else it has ended
			sum += own
		}
	}

	return sum, nil
}
