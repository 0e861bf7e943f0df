package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minVersion is the oldest Postgres that the project's SQL is tested on and its community supports.
const minVersion = 14

const howToInstall = `install Postgres:
  Debian, Ubuntu:  sudo apt-get install postgresql
  Fedora:          sudo dnf install postgresql-server
  macOS:           brew install postgresql@17
or name the directory of initdb and postgres in ORDERS_POSTGRES_BIN,
or set DATABASE_URL to use a server that runs already`

// programs is the directory that holds initdb and postgres.
type programs string

func (p programs) path(name string) string { return filepath.Join(string(p), name) }

// findPrograms returns the first usable programs; major asks for one version, 0 takes any.
func findPrograms(ctx context.Context, named string, major int) (programs, error) {
	var unfit strings.Builder
	for _, bin := range places(named) {
		p := programs(bin)
		v, err := p.version(ctx)
		if err != nil {
			continue
		}
		if v >= minVersion && (major == 0 || major == v) {
			return p, nil
		}
		fmt.Fprintf(&unfit, "\n(version %d in %s does not fit)", v, bin)
	}
	want := fmt.Sprintf("of version %d or newer", minVersion)
	if major != 0 {
		want = fmt.Sprintf("of version %d, which made the data,", major)
	}
	return "", fmt.Errorf("no Postgres programs %s found%s; %s", want, unfit.String(), howToInstall)
}

// places lists where the programs may be, best first. A place that is named, by the caller or in
// ORDERS_POSTGRES_BIN, is an order, not a hint.
func places(named string) []string {
	if bin := cmp.Or(named, os.Getenv("ORDERS_POSTGRES_BIN")); bin != "" {
		if abs, err := filepath.Abs(bin); err == nil { // the programs run in another directory
			bin = abs
		}
		return []string{bin}
	}
	var installed []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern) // fails on a bad pattern only
		installed = append(installed, found...)
	}
	slices.SortStableFunc(installed, func(a, b string) int { return firstNumber(b) - firstNumber(a) })
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return !filepath.IsAbs(dir) })
	return append(path, installed...)
}

// version asks postgres itself: names of directories may lie. Both programs must be there.
func (p programs) version(ctx context.Context) (int, error) {
	if _, err := os.Stat(p.path("initdb")); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, p.path("postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	v := firstNumber(string(out)) // postgres (PostgreSQL) 17.2 (Debian 17.2-1)
	if v == 0 {
		return 0, errors.New("no version in: " + string(out))
	}
	return v, nil
}

var number = regexp.MustCompile(`\d+`)

func firstNumber(s string) int {
	n, _ := strconv.Atoi(number.FindString(s))
	return n
}
