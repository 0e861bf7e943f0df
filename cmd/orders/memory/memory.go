// Package memory sets how often the garbage collector runs.
package memory

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Settings of the garbage collector, unless GOGC and GOMEMLIMIT are set. Few objects
// stay alive and many are discarded: collecting at five times the live heap instead
// of twice saves a fifth of the CPU, API and worker alike, and costs some 50 MiB.
const (
	collectAt   = 400       // percent
	memoryLimit = 160 << 20 // bytes; containers of 256 MiB are common
)

const limitEvery = time.Second

// Tune sets the collector's settings, and lets the limit follow what is alive.
//
// Below the limit the collector runs rarely, near it as often as it must. A fixed limit is a
// trap: 8,192 connections alone keep 150 MiB alive, and then the collector never rests. It
// took 56 % of the processor in an overload, and hardly an order was placed.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}

	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)

		go func() {
			for range time.Tick(limitEvery) {
				followMemory()
			}
		}()
	}
}

// followMemory sets the limit to twice what is alive, as the collector's own default would
// do, but not below memoryLimit.
func followMemory() {
	const room = 2

	alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(alive)

	bytes := alive[0].Value.Uint64() + alive[1].Value.Uint64()
	debug.SetMemoryLimit(max(memoryLimit, room*int64(bytes))) //nolint:gosec // memory is less than 2^62 bytes
}
