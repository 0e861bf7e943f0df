package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/condition"
	"orders/db/dbtest"
)

func operations(t *testing.T) string {
	t.Helper()

	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// block is the code below a mark of docs/operations.md.
func block(t *testing.T, mark string) string {
	t.Helper()

	found := regexp.MustCompile("(?s)<!-- " + mark + " -->\n```\\w+\n(.*?)```").FindStringSubmatch(operations(t))
	if found == nil {
		t.Fatalf("docs/operations.md has no code below %s", mark)
	}

	return found[1]
}

func TestEachAlertHasARunbook(t *testing.T) {
	t.Parallel()

	text := operations(t)

	// Those that only metrics or reports have.
	names := append(make([]string, 0, 3+len(condition.Names())), "overload", "errors", "pool-exhausted")
	for _, name := range condition.Names() {
		names = append(names, strings.TrimPrefix(name.Runbook(), "docs/operations.md#"))
	}

	for _, name := range names {
		if !strings.Contains(text, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section %s", name)
		}
	}
}

// The commands of docs/operations.md exist.
func TestOperationsNamesCommandsThatExist(t *testing.T) {
	t.Parallel()

	parser := newParser(&cli{})
	commands := map[string]bool{}

	for _, node := range parser.Model.Children {
		commands[node.Name] = true
	}

	for _, found := range regexp.MustCompile("`orders ([a-z][a-z-]*)").FindAllStringSubmatch(operations(t), -1) {
		if !commands[found[1]] {
			t.Errorf("docs/operations.md names orders %s: there is no such command", found[1])
		}
	}

	for _, found := range regexp.MustCompile("orders report ([a-z-]+)").FindAllStringSubmatch(operations(t), -1) {
		if _, err := os.Stat("../../db/report/" + found[1] + ".sql"); err != nil {
			t.Errorf("docs/operations.md names report %s: %v", found[1], err)
		}
	}
}

// A backup restores to data that are whole, by the commands of docs/operations.md; the audit is
// the proof, as it finds what is missing.
func TestABackupIsRestoredAndAudited(t *testing.T) {
	t.Parallel()

	url, restored := dbtest.URL(t), dbtest.Empty(t)
	p := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_LISTEN": address(t)}, "serve").ready()
	start(t, map[string]string{"DATABASE_URL": url}, "work")

	if code, _, stderr := inProcess(t, url, "seed"); code != exitOK {
		t.Fatal(stderr)
	}

	const orders = 20
	for n := range orders {
		if _, status, err := p.place(fmt.Sprint("backup-", n), `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`); err != nil || status != 201 {
			t.Fatalf("%d, %v", status, err)
		}
	}

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	if _, err := pool.Exec(t.Context(), `INSERT INTO endpoints (kind, url, types, secret, position_seq, position_n, created_by)
		VALUES ('webhook', 'https://shop.example', '{stock.low}', '', 0, 0, 'x')`); err != nil {
		t.Fatal(err)
	}

	// Some are settled, and some are being worked on.
	eventually(t, pool, orders/2, `SELECT least(count(*), 10) FROM points_entries`)

	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	if err := os.Symlink(path, filepath.Join(dir, "orders")); err != nil {
		t.Fatal(err)
	}

	script := exec.CommandContext(t.Context(), "bash", "-euc", block(t, "restore")+block(t, "copy"))
	script.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DATABASE_URL="+url, "RESTORED_URL="+restored, "BACKUP="+filepath.Join(dir, "orders.dump"))

	if out, err := script.CombinedOutput(); err != nil || !strings.Contains(string(out), "invariants hold") {
		t.Fatalf("%v: %s", err, out)
	}

	copied, err := pgxpool.New(t.Context(), restored)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()

	if n := dbtest.Count(t, copied, `SELECT count(*) FROM endpoints WHERE disabled_by = 'restore'`); n != 1 {
		t.Error("the copy sends what production sends")
	}

	if n := dbtest.Count(t, copied, `SELECT count(*) FROM orders`); n != orders {
		t.Errorf("%d orders, want %d", n, orders)
	}

	// A backup that has lost something is found out.
	if _, err := copied.Exec(t.Context(), `DELETE FROM stock_movements WHERE order_id = (SELECT min(order_id::text)::uuid FROM stock_movements)`); err != nil {
		t.Fatal(err)
	}

	if code, stdout, _ := inProcess(t, restored, "audit"); code != exitError || !strings.Contains(stdout, "stock-balance") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}
