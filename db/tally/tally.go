// Package tally counts what a transaction does, so that metrics tell it after the commit. Who
// opens the transaction makes the counts. Without any, counting does nothing.
package tally

import (
	"context"
	"maps"
)

// Counts are how often a transaction did each thing. They are for one goroutine.
type Counts map[string]int

type contextKey struct{}

// With makes the counts of a transaction.
func With(ctx context.Context) (context.Context, Counts) {
	counts := Counts{}

	return context.WithValue(ctx, contextKey{}, counts), counts
}

// Add counts something n times.
func Add(ctx context.Context, what string, n int) {
	if counts, ok := ctx.Value(contextKey{}).(Counts); ok && n > 0 {
		counts[what] += n
	}
}

// Mark returns a function that takes back what is counted from now on: for a savepoint.
func Mark(ctx context.Context) (undo func()) {
	counts, ok := ctx.Value(contextKey{}).(Counts)
	if !ok {
		return func() {}
	}

	before := maps.Clone(counts)

	return func() {
		clear(counts)
		maps.Copy(counts, before)
	}
}
