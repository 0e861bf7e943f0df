package workers

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"orders/db"
	"orders/db/deadletter"
	"orders/jobs"
	"orders/order"
)

// quarantined is the code of a job that [quarantine] cancels.
const quarantined order.Code = "quarantined"

// An outcome is what an error means for its job.
type outcome struct {
	class  deadletter.Reason // of the dead letter, if the job dies of it
	cancel bool              // no further attempt can succeed
}

// outcomes maps an error's code to what becomes of the job. Missing stock and other
// results of the business are no errors: the job completes. An error that is not
// listed is retried.
var outcomes = map[order.Code]outcome{
	order.NotFound:    {class: deadletter.Permanent, cancel: true},
	order.Unavailable: {class: deadletter.Transient},
	quarantined:       {class: deadletter.Poison, cancel: true},
}

func outcomeOf(err error) outcome {
	if o, listed := outcomes[order.CodeOf(err)]; listed {
		return o
	}

	return outcome{class: deadletter.Unknown}
}

// jobError gives a handler's error its code, and cancels the job if no further attempt
// can succeed.
func jobError(err error) error {
	if err = db.Error(err); err == nil || !outcomeOf(err).cancel {
		return err
	}

	return river.JobCancel(err)
}

// failures writes an attempt's error code and class into the job's metadata. The
// trigger that keeps dead letters reads them there, and so does reading an order.
type failures struct {
	river.MiddlewareDefaults

	log *sampler
}

// Work runs the job, and records and logs how it fails.
func (f *failures) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) (err error) {
	panicked := true

	defer func() {
		if panicked {
			failure := order.Errorf(order.Internal, "panic") // River recovers it and keeps the stack
			record(ctx, job, failure)
			f.log.attempt(ctx, job, failure)
		}
	}()

	err = next(ctx)
	panicked = false

	if _, snoozed := errors.AsType[*river.JobSnoozeError](err); err != nil && !snoozed {
		record(ctx, job, db.Error(err))
		f.log.attempt(ctx, job, err)
	}

	return err
}

// A failure is what the metadata keeps of an attempt's error; River keeps its text.
type failure struct {
	Code  order.Code        `json:"code"`
	Class deadletter.Reason `json:"class"`
}

// record adds the attempt's failure to those of earlier attempts.
func record(ctx context.Context, job *rivertype.JobRow, err error) {
	var (
		metadata map[string]json.RawMessage
		kept     map[string]failure
	)

	// Operators may write anything into metadata. That must not keep the failure from being recorded.
	_ = json.Unmarshal(job.Metadata, &metadata)
	_ = json.Unmarshal(metadata[jobs.MetaFailures], &kept)

	if kept == nil {
		kept = map[string]failure{}
	}

	kept[strconv.Itoa(job.Attempt)] = failure{Code: order.CodeOf(err), Class: outcomeOf(err).class}

	_ = river.MetadataSet(ctx, jobs.MetaFailures, kept) // it fails only outside an attempt
}
