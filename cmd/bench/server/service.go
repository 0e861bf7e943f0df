package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/prometheus/procfs"
)

// Options say which processes run.
type Options struct {
	Program     string // orders
	DatabaseURL string
	LogDir      string
	Processes   int               // of serve and of work each; 0 for one
	Baseline    []string          // instead of these: commands of this program, whose last word is the role
	Settings    map[string]string // more environment variables

	AllowPrivate bool // webhooks are at this machine
}

// A Service is the processes of one run.
type Service []*process

// Start runs the processes and returns when they are ready.
func Start(ctx context.Context, o Options) (s Service, err error) {
	if err := os.MkdirAll(o.LogDir, 0o750); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}

	commands := slices.Repeat([]string{"serve", "work"}, max(o.Processes, 1))

	if o.Baseline != nil {
		commands = o.Baseline

		if o.Program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
	}

	for n, command := range commands {
		p, err := startProcess(ctx, o, command, fmt.Sprintf("%s-%d", command, n+1))
		if err == nil {
			s = append(s, p)
			err = p.ready(ctx)
		}

		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}

	return s, nil
}

// Addresses are those of the API.
func (s Service) Addresses() (addresses []string) {
	for _, p := range s {
		if p.role == "serve" {
			addresses = append(addresses, p.address)
		}
	}

	return addresses
}

// Stop ends the processes. They drain.
func (s Service) Stop() (err error) {
	for _, p := range s {
		err = errors.Join(err, p.stop())
	}

	return err
}

// SignalWorker sends a signal to the last work process, and returns its PID.
func (s Service) SignalWorker(signal syscall.Signal) (pid int, err error) {
	p := s[len(s)-1]
	p.killed = signal == syscall.SIGKILL

	if err := p.cmd.Process.Signal(signal); err != nil {
		return 0, fmt.Errorf("signal %s: %w", p.name, err)
	}

	return p.cmd.Process.Pid, nil
}

// Memory returns the resident memory of the largest processes in MiB by figure: for
// each role, rss is what it is and rss_peak what it has been at most.
func (s Service) Memory() map[string]float64 {
	const mebibyte = 1 << 20

	memory := map[string]float64{}

	for _, r := range s {
		p, err := procfs.NewProc(r.cmd.Process.Pid)
		if err != nil {
			continue // it has ended, which Stop reports
		}

		if status, err := p.NewStatus(); err == nil {
			now, peak := r.role+"_rss_mib", r.role+"_rss_peak_mib"
			memory[now] = max(memory[now], float64(status.VmRSS)/mebibyte)
			memory[peak] = max(memory[peak], float64(status.VmHWM)/mebibyte)
		}
	}

	return memory
}

const userHz = 100 // ticks of a second in /proc, wherever Linux runs Go

// Usage returns what has been used so far, by figure: seconds of CPU time, and
// megabytes of WAL. The differences are divided by thousands of orders. The broker is nil
// where there is none.
func (p *Postgres) Usage(ctx context.Context, s Service, broker *RabbitMQ) (map[string]float64, error) {
	figures := map[int]string{p.pid: "postgres_cpu_s", os.Getpid(): "load_cpu_s"}
	if broker != nil {
		figures[broker.pid] = "rabbitmq_cpu_s"
	}

	for _, process := range s {
		figures[process.cmd.Process.Pid] = process.role + "_cpu_s"
	}

	used, err := cpuTimes(figures)
	if err != nil {
		return nil, err
	}

	var wal float64
	if err := p.Admin.QueryRow(ctx, `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')`).Scan(&wal); err != nil {
		return nil, fmt.Errorf("read WAL position: %w", err)
	}

	used["wal_kb_per_order"] = wal / 1e6

	return used, nil
}

// cpuTimes adds up the CPU seconds of processes, by the figure of their PID, with
// their children. Children that have ended count, too: sessions come and go.
func cpuTimes(figures map[int]string) (map[string]float64, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}

	seconds := map[string]float64{}

	for _, p := range all {
		stat, err := p.Stat()
		if err != nil {
			continue // it has ended
		}

		if figure, ok := figures[stat.PID]; ok {
			seconds[figure] += stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/userHz
		} else if figure, ok := figures[stat.PPID]; ok {
			seconds[figure] += stat.CPUTime()
		}
	}

	return seconds, nil
}
