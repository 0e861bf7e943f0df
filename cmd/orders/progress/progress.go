// Package progress shows how far long work is: with a bar on a terminal, and else with a
// line when it ends.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Bar shows how far one piece of work is. It is for one goroutine.
type Bar struct {
	w    io.Writer
	what string
	bar  *progressbar.ProgressBar // nil if w is no terminal
}

// Start begins a piece of work. End or Abandon must be called.
func Start(w io.Writer, what string) *Bar {
	file, isFile := w.(*os.File)

	return start(w, what, isFile && term.IsTerminal(int(file.Fd())))
}

func start(w io.Writer, what string, terminal bool) *Bar {
	b := &Bar{w: w, what: what}

	if terminal {
		b.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
		_ = b.bar.RenderBlank() // a terminal that is gone has nobody to tell
	}

	return b
}

// At says that done of total are done.
func (b *Bar) At(done, total int) {
	if b.bar == nil || total <= 0 {
		return
	}

	b.bar.ChangeMax(total)
	_ = b.bar.Set(min(done, total))
}

// Abandon removes the bar and says nothing: the work has failed, and its error says why.
func (b *Bar) Abandon() {
	if b.bar != nil {
		_ = b.bar.Finish()
		_ = b.bar.Clear()
	}
}

// End says what came of the work, in a line of its own that stays.
func (b *Bar) End(outcome string) {
	b.Abandon()
	fmt.Fprintf(b.w, "%s: %s\n", b.what, outcome)
}
