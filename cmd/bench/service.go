package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// A service is the processes of one run.
type service struct {
	serve []*process
	work  []*process
}

// startService runs n serve and n work processes on the database, or textbook's
// one that is both.
func (b *bench) startService(ctx context.Context, s scenario, url, dir string) (*service, error) {
	settings := map[string]string{
		"DATABASE_URL":     url,
		"ORDERS_LOG_LEVEL": "warn",
		"ORDERS_MAX_WAIT":  "10m", // nothing is refused but where that is the question
	}
	maps.Copy(settings, s.settings)

	var running service

	if s.textbook {
		program, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}

		return &running, running.start(ctx, &running.serve, "textbook", dir, program, url, settings)
	}

	for range max(s.processes, 1) {
		for command, role := range map[string]*[]*process{"serve": &running.serve, "work": &running.work} {
			if err := running.start(ctx, role, command, dir, b.Orders, url, settings); err != nil {
				return nil, err
			}
		}
	}

	return &running, nil
}

func (s *service) start(ctx context.Context, role *[]*process, command, dir, program, url string, settings map[string]string) error {
	name := fmt.Sprintf("%s-%d", command, len(*role)+1)

	p, err := startProcess(ctx, name, dir, program, func(address string) ([]string, map[string]string) {
		if command == "textbook" {
			return []string{command, "--database-url", url, "--listen", address}, settings
		}

		own := maps.Clone(settings)
		own["ORDERS_LISTEN"], own["ORDERS_WORK_LISTEN"] = address, address

		return []string{command}, own
	})
	if err == nil {
		*role = append(*role, p)
		err = p.ready(ctx)
	}

	if err != nil {
		return errors.Join(err, s.stop())
	}

	return nil
}

func (s *service) all() []*process { return slices.Concat(s.serve, s.work) }

// addresses are those of the API.
func (s *service) addresses() []string {
	list := make([]string, len(s.serve))
	for i, p := range s.serve {
		list[i] = p.address
	}

	return list
}

// stop ends the API, then the workers.
func (s *service) stop() error {
	var failed error

	for _, p := range s.all() {
		failed = errors.Join(failed, p.stop())
	}

	s.serve, s.work = nil, nil

	return failed
}

// logs are what the processes have said, which at this level is nothing good.
func (s *service) logs() string {
	var said strings.Builder

	for _, p := range s.all() {
		if text := p.tail(); text != "" {
			fmt.Fprintf(&said, "%s:\n%s\n", p.name, text)
		}
	}

	return said.String()
}

// cpu is the processor time of the processes of a role.
func cpu(role []*process) (time.Duration, error) {
	var sum time.Duration

	for _, p := range role {
		used, err := cpuOf(p.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}

		sum += used
	}

	return sum, nil
}

// memory is the largest of the role's processes by a name of /proc/PID/status.
func memory(role []*process, name string) (int64, error) {
	var largest int64

	for _, p := range role {
		size, err := memoryOf(p.cmd.Process.Pid, name)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}

		largest = max(largest, size)
	}

	return largest, nil
}
