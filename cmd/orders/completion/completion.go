// Package completion has what shells need to complete the words of the command line.
package completion

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"

	"orders/cmd/orders/shell"
)

// Complete prints the words that fit, if a shell asks for them. It returns false if none does.
func Complete(parser *kong.Kong) bool {
	if os.Getenv("COMP_LINE") == "" {
		return false
	}

	asked := false

	kongplete.Complete(parser, kongplete.WithExitFunc(func(int) { asked = true }))

	return asked
}

// Cmd prints the code that makes a shell complete.
type Cmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the text below the flags' list.
func (Cmd) Help() string {
	return "Add to ~/.bashrc: source <(orders completion bash). " +
		"To ~/.zshrc: source <(orders completion zsh). " +
		"To ~/.config/fish/config.fish: orders completion fish | source."
}

// scripts let the shells ask the program itself for the words.
var scripts = map[string]string{
	"bash": "complete -o default -C %[1]s orders\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -o default -C %[1]s orders\n",
	"fish": `function __complete_orders
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct); and set COMP_LINE "$COMP_LINE "
    %[1]s
end
complete -f -c orders -a "(__complete_orders)"
`,
}

// Run prints the code.
func (c Cmd) Run(s *shell.Shell) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}

	_, err = fmt.Fprintf(s.Stdout, scripts[c.Shell], quoted(path))

	return err
}

// quoted is a path as one word of each of the shells.
func quoted(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool { return strings.ContainsRune(" \t\"'\\$&|;<>()*?[]#~`!", r) }) {
		return path
	}

	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
