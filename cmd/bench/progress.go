package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

// Progress tells whoever waits how far it is: one line that changes on a
// terminal, a line a second elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	width    int // of what stands on the terminal's line
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}

	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}

	return p
}

// nowf shows what is going on.
func (p *progress) nowf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)

	if !p.terminal {
		fmt.Fprintln(p.w, line)

		return
	}

	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// donef shows what has been, to stay.
func (p *progress) donef(format string, args ...any) {
	p.nowf(format, args...)

	if p.terminal {
		fmt.Fprintln(p.w)
		p.width = 0
	}
}

// follow shows the run's counts once a second until the returned func is called.
func (p *progress) follow(ctx context.Context, title string, l *load, w *watch) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)

	var following sync.WaitGroup

	following.Go(func() {
		first, err := w.settledSoFar(ctx, l.lines)
		if err != nil {
			return // the run itself will say what is wrong with its database
		}

		for last := first; pause(ctx, time.Second); {
			n, err := w.settledSoFar(ctx, l.lines)
			if err != nil {
				return
			}

			p.nowf("%s  placed %s  settled %s  %s/s", title, thousands(l.placed.Load()), thousands(n-first), thousands(n-last))
			last = n
		}
	})

	return func() {
		cancel()
		following.Wait()
	}
}

// thousands is a number as people read it.
func thousands[N int | int64 | float64](n N) string {
	text := strconv.FormatInt(int64(n), 10)

	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}

	return text
}
