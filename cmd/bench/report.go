package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// A report is all that came of a bench.
type report struct {
	Machine    machine            `json:"machine"`
	Orders     int                `json:"orders_per_run"`
	Repeat     int                `json:"repeat"`
	Scenarios  []*summary         `json:"scenarios"`
	References map[string]float64 `json:"references"`
	Targets    []verdict          `json:"targets"`
	Soak       []sample           `json:"soak,omitempty"`
}

// add keeps a run's figures.
func (r *report) add(s scenario, f figures) {
	for _, known := range r.Scenarios {
		if known.Name == s.name {
			known.add(f)

			return
		}
	}

	known := &summary{Name: s.name, What: s.what, baseline: s.textbook || s.alone != nil}
	known.add(f)
	r.Scenarios = append(r.Scenarios, known)
}

// median is a scenario's figure, and whether it was measured.
func (r *report) median(scenario, figure string) (float64, bool) {
	for _, s := range r.Scenarios {
		if s.Name == scenario {
			value, measured := s.Median[figure]

			return value, measured
		}
	}

	return 0, false
}

// capacity is how many orders a second are placed and settled.
func (r *report) capacity() float64 {
	value, _ := r.median("spread", "settled_per_s")

	return value
}

// write prints the table and writes the object.
func (r *report) write(w io.Writer, file string) error {
	if file != "-" {
		if err := r.print(w); err != nil {
			return err
		}
	}

	if file == "" {
		return nil
	}

	if file != "-" {
		out, err := os.Create(file) //nolint:gosec // whoever runs it says where
		if err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		defer out.Close()

		w = out
	}

	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")

	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}

	return nil
}
