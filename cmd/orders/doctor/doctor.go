// Package doctor has the command that looks for what is wrong with the installation.
package doctor

import (
	"context"
	"fmt"
	"time"

	"orders/cmd/orders/shell"
	"orders/db/diagnosis"
	"orders/db/report"
)

// Cmd looks at the database and the way to it.
type Cmd struct {
	Format string `default:"table" enum:"table,json" help:"Output format: table or json."`
}

const timeout = 30 * time.Second

// exitMend is the exit code if something must be mended.
const exitMend shell.ExitCode = 1 //nolint:errname // it is an exit code

// A finding is a [diagnosis.Finding] in JSON.
type finding struct {
	Name  string          `json:"name"`
	Level diagnosis.Level `json:"level"`
	Says  string          `json:"says"`
	Do    string          `json:"do"`
}

// Run prints what was found, what must be mended first.
func (c Cmd) Run(s *shell.Shell) error {
	ctx, cancel := context.WithTimeout(s.Ctx, timeout)
	defer cancel()

	pool, err := s.Connect()
	if err != nil {
		return err
	}
	defer pool.Close()

	facts, err := diagnosis.Read(ctx, pool, s.Version, s.DirectURL != "")
	if err != nil {
		return err
	}

	findings := diagnosis.Examine(facts)
	if err := c.print(s, findings); err != nil {
		return err
	}

	if findings[0].Level == diagnosis.Mend {
		return exitMend
	}

	return nil
}

func (c Cmd) print(s *shell.Shell, findings []diagnosis.Finding) error {
	if c.Format == "json" {
		return s.PrintJSON(shell.Each(findings, func(f diagnosis.Finding) finding { return finding(f) }))
	}

	t := report.Table{Columns: []string{"level", "name", "is"}}
	for _, f := range findings {
		t.Rows = append(t.Rows, []any{string(f.Level), f.Name, f.Says})
	}

	if err := s.PrintTable(t); err != nil {
		return err
	}

	for _, f := range findings {
		if f.Do == "" {
			continue
		}

		if _, err := fmt.Fprintf(s.Stdout, "\n%s, %s: %s\n", f.Level, f.Name, f.Do); err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
	}

	return nil
}
