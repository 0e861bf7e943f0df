package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// A Report holds the results of a bench.
type Report struct {
	Machine   string     `json:"machine"`
	Orders    int        `json:"orders_per_run"`
	Repeat    int        `json:"repeat"`
	Scenarios []*Summary `json:"scenarios"`
	LeftOut   string     `json:"left_out,omitempty"` // which scenarios, and why; a sentence
	Targets   []Result   `json:"targets"`
	Soak      []Sample   `json:"soak,omitempty"`
}

// A Sample is the state of the service and its queue at one moment of a soak.
type Sample struct {
	At       float64 `json:"at_s"`
	Placed   int64   `json:"placed"`
	Lag      float64 `json:"lag_s"`      // age of the oldest job that waits
	Jobs     int64   `json:"jobs"`       // rows of river_job, with completed ones
	Size     int64   `json:"size_bytes"` // of river_job and its indexes
	ServeRSS float64 `json:"serve_rss_mib"`
	WorkRSS  float64 `json:"work_rss_mib"`
}

// New makes a report without figures. It names the versions of orders and Postgres.
func New(version, postgres string, orders, repeat int) *Report {
	return &Report{Machine: describe(version, postgres), Orders: orders, Repeat: repeat}
}

// Add keeps the figures of a run.
func (r *Report) Add(scenario, description string, f Figures) {
	s := r.summary(scenario)
	if s == nil {
		s = &Summary{Name: scenario, Description: description}
		r.Scenarios = append(r.Scenarios, s)
	}

	s.add(f)
}

func (r *Report) summary(scenario string) *Summary {
	for _, s := range r.Scenarios {
		if s.Name == scenario {
			return s
		}
	}

	return nil
}

// Median returns the median of a scenario's figure, and whether it was measured.
func (r *Report) Median(scenario, figure string) (value float64, measured bool) {
	if s := r.summary(scenario); s != nil {
		value, measured = s.Median[figure]
	}

	return value, measured
}

// Write prints the table, and writes JSON to the file if one is named. The name
// "-" stands for JSON on w instead of the table.
func (r *Report) Write(w io.Writer, file string) error {
	if file != "-" {
		if err := r.print(w); err != nil || file == "" {
			return err
		}
	}

	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}

	if file == "-" {
		_, err = w.Write(append(text, '\n'))

		return err
	}

	return os.WriteFile(file, text, 0o644) //nolint:gosec // for everyone to read
}

// describe describes the machine and the programs. What /proc does not tell is left out.
func describe(orders, postgres string) string {
	parts := []string{"orders " + orders, runtime.Version(), "Postgres " + postgres}
	proc, _ := procfs.NewDefaultFS() // without it, the next two fail

	if cpus, err := proc.CPUInfo(); err == nil && len(cpus) > 0 {
		parts = append(parts, fmt.Sprintf("%d cores of %s", runtime.NumCPU(), cpus[0].ModelName))
	}

	if memory, err := proc.Meminfo(); err == nil && memory.MemTotal != nil {
		parts = append(parts, fmt.Sprintf("%d MiB", *memory.MemTotal>>10))
	}

	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, "Linux "+strings.TrimSpace(string(kernel)))
	}

	return strings.Join(append(parts, time.Now().UTC().Format("2006-01-02 15:04 MST")), ", ")
}
