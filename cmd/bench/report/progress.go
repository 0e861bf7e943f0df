package report

import (
	"fmt"
	"io"
	"os"
)

// Progress tells how far the bench is: in one line that changes on a terminal,
// and in a line for each message elsewhere.
type Progress struct {
	w        io.Writer
	terminal bool
}

// NewProgress makes a progress that writes to w.
func NewProgress(w io.Writer) *Progress {
	file, ok := w.(*os.File)
	if !ok {
		return &Progress{w: w}
	}

	info, err := file.Stat()

	return &Progress{w: w, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Updatef shows a message. The next one replaces it on a terminal.
func (p *Progress) Updatef(format string, args ...any) {
	line := english.Sprintf(format, args...)

	if p.terminal {
		fmt.Fprint(p.w, "\r"+line+"\x1b[K") // erase what is left of the line before
	} else {
		fmt.Fprintln(p.w, line)
	}
}

// Printf shows a message that stays.
func (p *Progress) Printf(format string, args ...any) {
	p.Updatef(format, args...)

	if p.terminal {
		fmt.Fprintln(p.w)
	}
}
