package workers

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/jobs"
	"orders/order"
)

// An attempt is what the handler under test does; the job's args say which one.
type attempt struct {
	Name string `json:"name"`
}

// Kind names the job.
func (attempt) Kind() string { return "attempt" }

// attemptHandler looks its behaviour up by the job's args.
type attemptHandler struct {
	river.WorkerDefaults[attempt]

	does map[string]func(ctx context.Context, attempt int) error
}

func (h *attemptHandler) Work(ctx context.Context, job *river.Job[attempt]) error {
	return h.does[job.Args.Name](ctx, job.Attempt)
}

func (*attemptHandler) Timeout(*river.Job[attempt]) time.Duration { return 100 * time.Millisecond }

func (*attemptHandler) NextRetry(*river.Job[attempt]) time.Time { return time.Now() }

// Each attempt that fails leaves its error's code and class; no other attempt leaves any.
func TestAttemptsLeaveTheirFailures(t *testing.T) {
	t.Parallel()

	var (
		internal    = failure{Code: order.Internal, Class: deadletter.Unknown}
		unavailable = failure{Code: order.Unavailable, Class: deadletter.Transient}
		notFound    = failure{Code: order.NotFound, Class: deadletter.Permanent}
	)

	tests := map[string]struct {
		does  func(ctx context.Context, attempt int) error
		state rivertype.JobState
		want  map[string]failure
	}{
		"success": {
			does:  func(context.Context, int) error { return nil },
			state: rivertype.JobStateCompleted,
		},
		"an error without a code": {
			does:  func(context.Context, int) error { return errors.New("broken") },
			state: rivertype.JobStateDiscarded,
			want:  map[string]failure{"1": internal, "2": internal},
		},
		"a panic": {
			does:  func(context.Context, int) error { panic("broken") },
			state: rivertype.JobStateDiscarded,
			want:  map[string]failure{"1": internal, "2": internal},
		},
		"a timeout": {
			does: func(ctx context.Context, _ int) error {
				<-ctx.Done()

				return ctx.Err()
			},
			state: rivertype.JobStateDiscarded,
			want:  map[string]failure{"1": unavailable, "2": unavailable},
		},
		"an order that does not exist": {
			does:  func(context.Context, int) error { return jobError(order.Errorf(order.NotFound, "There is none.")) },
			state: rivertype.JobStateCancelled,
			want:  map[string]failure{"1": notFound},
		},
		"a quarantined job": {
			does:  func(context.Context, int) error { return jobError(order.Errorf(quarantined, "3 processes ended")) },
			state: rivertype.JobStateCancelled,
			want:  map[string]failure{"1": {Code: quarantined, Class: deadletter.Poison}},
		},
		"failures of two kinds": {
			does: func(_ context.Context, attempt int) error {
				if attempt == 1 {
					return order.Errorf(order.Unavailable, "Try again.")
				}

				return errors.New("broken")
			},
			state: rivertype.JobStateDiscarded,
			want:  map[string]failure{"1": unavailable, "2": internal},
		},
		"a failure before a success": {
			does: func(_ context.Context, attempt int) error {
				if attempt == 1 {
					return errors.New("broken")
				}

				return nil
			},
			state: rivertype.JobStateCompleted,
			want:  map[string]failure{"1": internal},
		},
		"a snooze": {
			does:  func(context.Context, int) error { return river.JobSnooze(time.Hour) },
			state: rivertype.JobStateScheduled,
		},
	}

	pool := dbtest.Pool(t)
	handler := &attemptHandler{does: map[string]func(context.Context, int) error{}}

	for name, test := range tests {
		handler.does[name] = test.does
	}

	client := startAttempts(t, pool, handler)

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			inserted, err := client.Insert(t.Context(), attempt{Name: name}, nil)
			if err != nil {
				t.Fatal(err)
			}

			got := failuresOf(t, pool, inserted.Job.ID, test.state)
			if !maps.Equal(got, test.want) {
				t.Errorf("the metadata holds %v, want %v", got, test.want)
			}
		})
	}
}

// startAttempts starts a client that knows the handler only, and gives a job two attempts.
func startAttempts(t *testing.T, pool *pgxpool.Pool, handler *attemptHandler) *river.Client[pgx.Tx] {
	t.Helper()

	handlers := river.NewWorkers()
	river.AddWorker(handlers, handler)

	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchPollInterval: 50 * time.Millisecond,
		FetchCooldown:     50 * time.Millisecond,
		MaxAttempts:       2,
		Middleware:        []rivertype.Middleware{&failures{log: newSampler(slog.New(slog.DiscardHandler))}},
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 20}},
		Workers:           handlers,
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := client.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { client.Stop(context.WithoutCancel(t.Context())) })

	return client
}

// failuresOf waits until the job is in the state, and reads what its attempts have left.
func failuresOf(t *testing.T, pool *pgxpool.Pool, id int64, state rivertype.JobState) map[string]failure {
	t.Helper()

	var got rivertype.JobState

	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var left map[string]failure

		err := pool.QueryRow(t.Context(), `SELECT state, metadata -> $2 FROM river_job WHERE id = $1`, id, jobs.MetaFailures).Scan(&got, &left)
		if err != nil {
			t.Fatal(err)
		}

		if got == state {
			return left
		}
	}

	t.Fatalf("the job is %s, want %s", got, state)

	return nil
}

// The quarantine here and the trigger that keeps dead letters count alike, even if operators have written into the metadata.
func TestDeathsAreCountedAsInSQL(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	for metadata, want := range map[string]int{
		`{}`:                        0,
		`{"orders:rescued": 2}`:     2,
		`{"river:rescue_count": 1}`: 1,
		`{"orders:rescued": 2, "river:rescue_count": 1}`:   3,
		`{"orders:rescued": "x", "river:rescue_count": 3}`: 3,
		`{"orders:rescued": "2"}`:                          2,
		`{"orders:rescued": -1, "river:rescue_count": 1}`:  1,
		`{"orders:rescued": 1.5}`:                          0,
		`{"orders:rescued": 9999999}`:                      0,
		`{"orders:rescued": null, "else": [1]}`:            0,
		`{"orders:rescued": [3]}`:                          0,
		`[]`:                                               0,
	} {
		var inSQL int
		if err := pool.QueryRow(t.Context(), `SELECT metadata_count($1, 'river:rescue_count') + metadata_count($1, 'orders:rescued')`, metadata).Scan(&inSQL); err != nil {
			t.Fatal(err)
		}

		if got := deaths([]byte(metadata)); got != want || inSQL != want {
			t.Errorf("%s: %d deaths, in SQL %d, want %d", metadata, got, inSQL, want)
		}
	}
}

// The trigger that keeps dead letters takes a cancelled job of any other class for one
// that an operator has cancelled.
func TestOnlyPermanentAndPoisonCancelAJob(t *testing.T) {
	t.Parallel()

	for code, o := range outcomes {
		if want := o.class == deadletter.Permanent || o.class == deadletter.Poison; o.cancel != want {
			t.Errorf("%s of class %s cancels the job: %t", code, o.class, o.cancel)
		}
	}
}
