package workers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/jobs"
)

// quarantine keeps jobs from running that have killed their process again and
// again: each would take all others of that process with it once more. Such a job
// is cancelled before its args are read, and is a dead letter of reason poison.
type quarantine struct {
	river.MiddlewareDefaults
}

// Work lets a job through, or does not.
func (*quarantine) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	if n := deaths(job.Metadata); n >= jobs.MaxDeaths {
		return river.JobCancel(fmt.Errorf("quarantined: %d processes ended while it ran", n))
	}

	return next(ctx)
}

// deaths is how often a job was taken back from a process that had ended: by
// River's rescuer, or by another worker.
func deaths(metadata []byte) int {
	var counts struct {
		Rescued  int `json:"river:rescue_count"`
		Returned int `json:"orders:returned"`
	}

	if err := json.Unmarshal(metadata, &counts); err != nil {
		return 0 // somebody wrote something else there; that is no reason not to work
	}

	return counts.Rescued + counts.Returned
}
