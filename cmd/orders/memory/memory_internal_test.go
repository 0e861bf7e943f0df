package memory

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// The limit leaves room above what is alive, and comes down again. The collector must not run
// without rest.
func TestTheMemoryLimitFollowsWhatIsAlive(t *testing.T) { //nolint:paralleltest // the limit is of the whole process
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)

	const size = 200 << 20

	alive := make([]byte, size)

	runtime.GC() // it measures what is alive
	followMemory()

	if limit := debug.SetMemoryLimit(-1); limit < 2*size {
		t.Errorf("the limit is %d MiB with 200 MiB alive", limit>>20)
	}

	runtime.KeepAlive(alive)

	alive = nil //nolint:wastedassign,ineffassign // to be collected

	runtime.GC()
	followMemory()

	if limit := debug.SetMemoryLimit(-1); limit >= 2*size || limit < memoryLimit {
		t.Errorf("the limit is %d MiB when that is gone", limit>>20)
	}
}
