package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"orders/db/dbtest"
)

// The program itself says how a line goes on.
func TestShellsCompleteCommandsAndFlags(t *testing.T) {
	t.Parallel()

	for line, want := range map[string][]string{
		"orders que":                         {"queues"},
		"orders queues ":                     {"list", "pause", "resume"},
		"orders queues list --for":           {"--format"},
		"orders queues list --format ":       {"table", "json"},
		"orders dead-letters list --reason ": {"transient", "poison"},
		"orders completion ":                 {"bash", "zsh", "fish"},
	} {
		p := start(t, map[string]string{"COMP_LINE": line}, "--not-read")
		if code := p.ended(); code != exitOK {
			t.Errorf("%q: exit code %d: %s", line, code, p.output)
		}

		for _, word := range want {
			if !slices.Contains(strings.Fields(p.output.String()), word) {
				t.Errorf("%q is not completed to %s: %s", line, word, p.output)
			}
		}
	}
}

func TestCompletionCode(t *testing.T) {
	t.Parallel()

	for shell, words := range map[string]string{"bash": "complete -o default -C /", "zsh": "bashcompinit", "fish": "complete -f -c orders"} {
		code, stdout, stderr := inProcess(t, "", "completion", shell)
		if code != exitOK || !strings.Contains(stdout, words) {
			t.Errorf("%s: exit code %d: %s%s", shell, code, stdout, stderr)
		}
	}

	if code, _, stderr := inProcess(t, "", "completion", "tcsh"); code != exitUsage || !strings.Contains(stderr, "bash") {
		t.Errorf("tcsh: exit code %d: %s", code, stderr)
	}

	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}

	// Bash knows the program after it has read the code.
	out, err := exec.CommandContext(t.Context(), "bash", "-c", "source <("+path+" completion bash) && complete -p orders").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "-C "+path) && !strings.Contains(string(out), "-C '"+path) {
		t.Errorf("%v: %s", err, out)
	}
}

// A command's own flags come before the settings.
func TestHelpShowsACommandsOwnFlagsFirst(t *testing.T) {
	t.Parallel()

	for _, command := range []string{"check", "dead-letters redrive", "audit", "why"} {
		_, help, _ := inProcess(t, "", append(strings.Fields(command), "--help")...)

		own, global, setting := strings.Index(help, "\nFlags:"), strings.Index(help, "\nGlobal flags:"), strings.Index(help, "--database-url")
		if own < 0 || global < own || setting < global {
			t.Errorf("%s --help:\n%s", command, help)
		}
	}
}

// Without a terminal, long work says in lines what came of it.
func TestMigrateUpWithoutATerminal(t *testing.T) {
	t.Parallel()

	code, _, stderr := inProcess(t, dbtest.Empty(t), "migrate", "up")
	if code != exitOK || !strings.Contains(stderr, "migrations: done\n") || strings.Contains(stderr, "\r") {
		t.Errorf("exit code %d: %q", code, stderr)
	}
}
