package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp prints the help of a command: its own flags, and then the settings that concern
// it. These are those whose tag `for` names it, and those without the tag.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	command := ctx.Selected()
	if command == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}

	for command.Parent != ctx.Model.Node {
		command = command.Parent
	}

	for _, flag := range ctx.Model.Flags {
		if only := flag.Tag.Get("for"); only != "" && !slices.Contains(strings.Split(only, ","), command.Name) {
			flag.Hidden = true
		}

		flag.Group = &kong.Group{Key: "settings", Title: "Global flags:"} // kong prints groups last
	}

	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}

	_, err := fmt.Fprintln(ctx.Stdout, "\n`orders --help` lists all settings and the exit codes.")

	return err
}
