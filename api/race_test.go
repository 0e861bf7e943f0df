//go:build race

package api_test

// allocSlack is how many times as many allocations as were measured without it are
// too many: the race detector drops some of what is pooled, at random.
const allocSlack = 2
