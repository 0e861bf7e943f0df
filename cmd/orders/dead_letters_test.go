package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/db/dbtest"
)

// inProcess runs the program in this process and returns its exit code and what it printed.
func inProcess(t *testing.T, url string, args ...string) (code int, stdout, stderr string) {
	t.Helper()

	var out, errs bytes.Buffer

	code = run(t.Context(), append([]string{"--database-url", url}, args...), &out, &errs)

	return code, out.String(), errs.String()
}

// deadLetters gives up the points jobs of n orders that have nothing else.
func deadLetters(t *testing.T, url string, n int) (jobIDs []int64) {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	for range n {
		var jobID int64

		id := uuid.Must(uuid.NewV7())

		err := pool.QueryRow(t.Context(), `
			WITH placed AS (
				INSERT INTO orders (id, user_id, status, currency, total) VALUES ($1, 'u-1', 'confirmed', 'EUR', 1) RETURNING id
			)
			INSERT INTO river_job (kind, queue, args, max_attempts, attempt, state, metadata, errors)
			SELECT 'points', 'points', jsonb_build_object('order_id', id), 10, 10, 'running',
				'{"orders:failures":{"10":{"code":"unavailable","class":"transient"}}}', ARRAY[jsonb_build_object(
					'at', now(), 'attempt', 10, 'trace', '', 'error', 'unavailable: no route to 10.0.0.1, said <it>')]
			FROM placed
			RETURNING id`, id).Scan(&jobID)
		if err != nil {
			t.Fatal(err)
		}

		if _, err := pool.Exec(t.Context(), `UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE id = $1`, jobID); err != nil {
			t.Fatal(err)
		}

		jobIDs = append(jobIDs, jobID)
	}

	return jobIDs
}

func TestDeadLettersFromTheShell(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	jobIDs := deadLetters(t, url, 5)
	first, second := strconv.FormatInt(jobIDs[0], 10), strconv.FormatInt(jobIDs[1], 10)
	operation := uuid.NewString()

	for _, step := range []struct {
		args string
		code int
		says []string
	}{
		{args: "list", says: []string{"job_id", first, second, "transient", "open", "said <it>"}},
		{args: "list --kind inventory", says: []string{"(no rows)"}},
		{args: "list --until now-1h", says: []string{"(no rows)"}},
		{args: "groups --since now-1h", says: []string{"count", "5"}},
		{args: "list --since now-1h --until now-2h", code: exitUsage, says: []string{"--until is before --since", "orders dead-letters list --help"}},
		{args: "redrive --since 2026-01-02 --until 2026-01-01", code: exitUsage, says: []string{"--until is before --since"}},
		{args: "groups --since yesterday", code: exitUsage, says: []string{"--since", "now-2h"}},
		{args: "redrive --since now-1h --dry-run", says: []string{first, second, "eligible"}},
		{args: "groups", says: []string{"count", "5", "points: unavailable: no route to ?, said <it>"}},
		{args: "show " + first, says: []string{"signature", `"order_id"`, "attempt", "10.0.0.1"}},
		{args: "redrive --kind points --dry-run", says: []string{first, "eligible"}},
		{args: "redrive --kind points --limit 4 --dry-run", says: []string{first, "One more dead letter matches"}},
		{args: "resolve --kind points --limit 1 --reason x --dry-run", says: []string{first, "4 more dead letters match"}},
		{args: "redrive --kind points --limit 2 --rate 1 --note mended --operation " + operation, says: []string{first, "redriven", operation, "3 more dead letters match"}},
		{args: "redrive --kind points --limit 2 --rate 1 --note mended --operation " + operation, says: []string{first, second, "redriven"}}, // again: the same two
		{args: "list --state resolved", says: []string{first, second, "redriven"}},
		{args: "show " + first, says: []string{"cli:", "mended", "new_job_id", "redriven"}},
		{args: fmt.Sprint("redrive ", jobIDs[2], " ", jobIDs[2], " ", first, " 999999"), code: exitError, says: []string{"redriven", "already_resolved", "not_found", "1 of 3 dead letters"}},
		{args: "redrive 999999", code: exitError, says: []string{"not_found", "not there"}},
		{args: "redrive --kind points --limit 3 --operation " + operation, code: exitError, says: []string{"another request"}},
		{args: fmt.Sprint("resolve ", jobIDs[3], " --reason given"), says: []string{"dismissed", "given", "cli:"}},
		{args: fmt.Sprint("resolve ", jobIDs[3], " --reason other"), code: exitError, says: []string{"resolved already: dismissed by cli:"}},
		{args: fmt.Sprint("reopen ", jobIDs[3], " --reason mistake"), says: []string{"needs attention"}},
		{args: fmt.Sprint("reopen ", first, " --reason x"), code: exitError, says: []string{"not dismissed, but redriven"}},
		{args: fmt.Sprint("resolve ", jobIDs[3], " --reason="), code: exitUsage, says: []string{"Say why"}},
		{args: "resolve --kind points --reason= --dry-run", code: exitUsage, says: []string{"Say why"}},
		{args: "resolve --class cancelled --reason gift --dry-run", says: []string{"(no rows)"}},
		{args: "resolve --kind points --reason gift --dry-run", says: []string{strconv.FormatInt(jobIDs[3], 10), "eligible"}},
		{args: "resolve --class transient --reason gift", says: []string{strconv.FormatInt(jobIDs[4], 10), "dismissed", "operation"}},
		{args: "list", says: []string{"(no rows)"}},
		{args: "resolve 999998 999999 --reason gift", code: exitError, says: []string{"2 of 2 dead letters are not there"}},
		{args: "resolve --reason gift", code: exitUsage, says: []string{"--kind"}},
		{args: "resolve " + second, code: exitUsage, says: []string{"--reason"}},
		{args: "list --limit 0", code: exitUsage, says: []string{"0 is not 1 to 1000"}},
		{args: "groups --limit 1001", code: exitUsage, says: []string{"1001 is not 1 to 1000"}},
		{args: "list --kind point", code: exitUsage, says: []string{`"point"`, "points", "notification"}},
		{args: "groups --kind point", code: exitUsage, says: []string{`"point"`}},
		{args: "redrive --kind point", code: exitUsage, says: []string{`"point"`}},
		{args: "resolve --kind point --reason x", code: exitUsage, says: []string{`"point"`}},
		{args: "show 999999", code: exitError, says: []string{"There is no dead letter of job 999999."}},
		{args: "redrive", code: exitUsage, says: []string{"--kind"}},
		{args: "redrive --dry-run", code: exitUsage, says: []string{"--kind"}},
		{args: "redrive 1 --kind points", code: exitUsage, says: []string{"not both"}},
		{args: "redrive --kind points --limit 1001", code: exitUsage, says: []string{"1 to 1000"}},
		{args: "redrive --kind points --operation x", code: exitUsage, says: []string{"UUID"}},
		{args: "list --order x", code: exitUsage, says: []string{"--order"}},
		{args: "list --reason boredom", code: exitUsage, says: []string{"transient"}},
	} {
		code, stdout, stderr := inProcess(t, url, append([]string{"dead-letters"}, strings.Fields(step.args)...)...)
		if code != step.code {
			t.Errorf("%s: exit code %d, want %d: %s", step.args, code, step.code, stderr)
		}

		for _, text := range step.says {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%s does not say %q:\n%s%s", step.args, text, stdout, stderr)
			}
		}
	}
}

func TestDeadLettersForScripts(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)
	jobIDs := deadLetters(t, url, 3)
	first := strconv.FormatInt(jobIDs[0], 10)

	ask := func(into any, args ...string) {
		t.Helper()

		code, stdout, stderr := inProcess(t, url, append([]string{"dead-letters"}, append(args, "--json")...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}

		if err := json.Unmarshal([]byte(stdout), into); err != nil {
			t.Fatalf("%v: %v: %s", args, err, stdout)
		}
	}

	var none, letters []operator.DeadLetter
	if ask(&none, "list", "--kind", "inventory"); none == nil || len(none) != 0 {
		t.Errorf("none: %v", none)
	}

	if ask(&letters, "list"); len(letters) != 3 || letters[2].JobID != jobIDs[0] {
		t.Errorf("%+v", letters)
	}

	var groups []operator.DeadLetterGroup
	if ask(&groups, "groups"); len(groups) != 1 || groups[0].Count != 3 {
		t.Errorf("%+v", groups)
	}

	var result operator.BulkRedriveResult
	if ask(&result, "redrive", "--reason", "transient", "--limit", "2"); result.Outcomes["redriven"] != 2 || len(result.Letters) != 2 || result.OperationID == uuid.Nil {
		t.Errorf("%+v", result)
	}

	var letter operator.DeadLetterDetail
	if ask(&letter, "show", first); letter.Resolution != "redriven" || len(letter.RedriveHistory) != 1 {
		t.Errorf("%+v", letter)
	}

	if ask(&letter, "resolve", strconv.FormatInt(jobIDs[2], 10), "--reason", "given"); letter.Resolution != "dismissed" {
		t.Errorf("%+v", letter)
	}
}
