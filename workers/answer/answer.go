// Package answer makes what other servers answer fit to be kept.
package answer

import (
	"strings"
	"unicode"
)

const kept = 200 // characters

// Line is a text as one short line, without what a terminal would take for a command.
func Line(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")

	if runes := []rune(text); len(runes) > kept {
		text = string(runes[:kept]) + "…"
	}

	return text
}
