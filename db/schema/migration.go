package schema

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
)

// A migration is a numbered pair of files. Lines of the way up say what it means for
// programs.
type migration struct {
	version  uint
	name     string // 000014_orders_share_jobs
	up, down string

	// Programs of an earlier version cannot work once it has run. 0 if it breaks none,
	// which is the rule: expand first, contract a release later.
	breaksBefore uint
	// The programs of its release work without it, too.
	optional bool
}

// Lines of the way up, each on a line of its own.
var (
	breaksLine   = regexp.MustCompile(`(?m)^-- breaks programs before (\d+)$`)
	optionalLine = regexp.MustCompile(`(?m)^-- programs work without it$`)
	// Its statements cannot run in a transaction, such as CREATE INDEX CONCURRENTLY. They
	// may run twice.
	repeatableLine = regexp.MustCompile(`(?m)^-- runs outside a transaction, and may run twice$`)
	upFile         = regexp.MustCompile(`^((\d+)_\w+)\.up\.sql$`)
)

// readMigrations reads the embedded migrations, in their order.
func readMigrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}

	var all []migration

	for _, entry := range entries {
		name := upFile.FindStringSubmatch(entry.Name())
		if name == nil {
			continue
		}

		up, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}

		down, err := fs.ReadFile(files, name[1]+".down.sql")
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}

		all = append(all, migration{
			version: number(name[2]), name: name[1], up: string(up), down: string(down),
			breaksBefore: brokenBy(string(up)), optional: optionalLine.Match(up),
		})
	}

	return all, nil
}

func brokenBy(up string) uint {
	if line := breaksLine.FindStringSubmatch(up); line != nil {
		return number(line[1])
	}

	return 0
}

// number reads digits that a regular expression has found.
func number(digits string) uint {
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0
	}

	return uint(n)
}
