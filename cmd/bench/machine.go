package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A machine is what the figures hold for.
type machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Memory   string            `json:"memory"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Postgres string            `json:"postgres"`
	Orders   string            `json:"orders"`
	Date     time.Time         `json:"date"`
	Settings map[string]string `json:"settings"`
}

func (b *bench) describe(ctx context.Context) (m machine, err error) {
	m = machine{
		CPU:      field("/proc/cpuinfo", "model name"),
		Cores:    runtime.NumCPU(),
		Memory:   field("/proc/meminfo", "MemTotal"),
		Go:       runtime.Version(),
		Date:     time.Now().UTC().Truncate(time.Second),
		Settings: b.postgres.settings,
	}

	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(kernel))
	}

	if m.Postgres, err = b.postgres.version(ctx); err != nil {
		return m, err
	}

	version, err := exec.CommandContext(ctx, b.Orders, "version").Output() //nolint:gosec // the program that is measured
	if err != nil {
		return m, fmt.Errorf("run %s: %w", b.Orders, err)
	}

	m.Orders = strings.TrimSpace(string(version))

	return m, nil
}

// field is the value of the first line of a file of /proc with that name.
func field(file, name string) string {
	text, err := os.ReadFile(file) //nolint:gosec // of /proc
	if err != nil {
		return ""
	}

	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}

	return ""
}
