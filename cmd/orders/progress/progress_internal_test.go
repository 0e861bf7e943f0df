package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

func TestWithoutATerminalThereAreOnlyLines(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	for _, what := range []string{"payments", "stock"} {
		b := Start(&out, what)
		b.At(1, 2)
		b.At(2, 2)
		b.End("holds")
	}

	if want := "payments: holds\nstock: holds\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// lockedBuffer is for the bar, which also draws by itself.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.Buffer.String()
}

func TestOnATerminalThereIsABar(t *testing.T) {
	t.Parallel()

	var out lockedBuffer

	b := start(&out, "payments", true)
	b.At(0, 0) // nothing is known yet
	b.At(50, 100)

	if state := b.bar.State(); state.CurrentNum != 50 || state.Max != 100 || !strings.Contains(out.String(), "payments") {
		t.Errorf("half of the work: %+v %q", state, out.String())
	}

	b.End("holds")

	if !strings.HasSuffix(out.String(), "payments: holds\n") || !strings.Contains(out.String(), "\r") {
		t.Errorf("the end: %q", out.String())
	}
}
