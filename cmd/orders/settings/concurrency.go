// Package settings reads values of settings, and finds mistakes in them.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/riverqueue/river"

	"orders/jobs"
)

// Concurrency is how many jobs of each queue a process runs at once. It is written
// as "inventory:500,points:0". A queue that is not named keeps its default; 0 leaves
// the queue to other processes.
type Concurrency map[string]int

// UnmarshalText reads the setting.
func (c *Concurrency) UnmarshalText(text []byte) error {
	queues := jobs.Concurrency()
	named := map[string]bool{}

	for part := range strings.SplitSeq(string(text), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}

		queue, number, _ := strings.Cut(part, ":")
		queue = strings.TrimSpace(queue)

		if _, known := queues[queue]; !known {
			return fmt.Errorf("there is no queue %q; the queues are %s", queue, strings.Join(slices.Sorted(maps.Keys(queues)), ", "))
		}

		if named[queue] {
			return fmt.Errorf("queue %q is there twice: leave one of them out", queue)
		}

		named[queue] = true

		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || n < 0 || n > river.QueueNumWorkersMax {
			return fmt.Errorf("%q: write queue:number, for example inventory:500; 0 leaves the queue to other processes, "+
				"and %d is the most", part, river.QueueNumWorkersMax)
		}

		queues[queue] = n
	}

	if len(Concurrency(queues).Worked()) == 0 {
		return errors.New("every queue is 0: leave at least one to this process")
	}

	*c = queues

	return nil
}

// String writes the setting, the queues in the order of the job table.
func (c Concurrency) String() string {
	table := jobs.Policies()
	parts := make([]string, 0, len(table))

	for _, p := range table {
		parts = append(parts, fmt.Sprintf("%s:%d", p.Queue, c[p.Queue]))
	}

	return strings.Join(slices.Compact(parts), ",") // kinds that share a queue stand together
}

// Worked are the queues that this process works.
func (c Concurrency) Worked() map[string]int {
	worked := maps.Clone(map[string]int(c))
	maps.DeleteFunc(worked, func(_ string, n int) bool { return n == 0 })

	return worked
}
