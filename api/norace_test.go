//go:build !race

package api_test

// allocSlack is how many times as many allocations as were measured are too many.
const allocSlack = 1.1
