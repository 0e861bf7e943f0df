package operator

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/liveness"
	"orders/jobs"
)

func (s *service) registerWorkers() {
	at := exampleTime

	operation.Register(s.api, huma.Operation{
		OperationID: "list-workers",
		Method:      http.MethodGet,
		Path:        "/workers",
		Tags:        []string{"workers"},
		Summary:     "List worker processes",
		Description: "Lists the workers that are alive and, for an hour, those that were found dead. A worker that was stopped in order " +
			"is not listed any more.",
	}, operation.Contract{
		Roles: access.ToWatch,
		Response: workerList{Workers: []Worker{{
			ID: "host-4711-q3vk7a", Host: "host", PID: 4711, Version: "1.4.0", Queues: map[string]int{jobs.StepQueues()[0]: 100},
			Alive: true, Running: 40, Orders: 9_216, StartedAt: at, SeenAt: at,
		}}},
		Returns: "The worker processes, those that are alive first",
	}, s.listWorkers)
}

// A Worker is a process that works jobs.
type Worker struct {
	ID        string         `json:"id" doc:"The worker's name, also in a job's attempted_by"`
	Host      string         `json:"host" doc:"The machine or container that it runs on"`
	PID       int            `json:"pid" doc:"Its process id there"`
	Version   string         `json:"version" doc:"The program's version"`
	Queues    map[string]int `json:"queues" doc:"How many jobs it runs at once, by queue" nullable:"false"`
	Alive     bool           `json:"alive" doc:"Whether it holds its lock and sends heartbeats"`
	Running   int64          `json:"running" doc:"How many jobs it runs now"`
	Orders    int64          `json:"running_orders" doc:"How many orders these jobs are for; orders that were placed together share jobs"`
	Rescued   int64          `json:"rescued" doc:"How many of its jobs other workers took over when it was found dead"`
	ClockSkew float64        `json:"clock_skew_seconds" doc:"How far its machine's clock is ahead of the database's. Work does not depend on it; above one second, set the clock"`
	StartedAt time.Time      `json:"started_at"`
	SeenAt    time.Time      `json:"seen_at" doc:"Its last heartbeat; it sends one a second"`
	EndedAt   *time.Time     `json:"ended_at" doc:"When it was found dead, else null"`
}

// WorkerOf is a worker as clients see it.
func WorkerOf(w liveness.Worker) Worker {
	return Worker{
		ID: w.ID, Host: w.Host, PID: w.PID, Version: w.Version, Queues: w.Queues,
		Alive: w.Alive, Running: w.Running, Orders: w.Orders, Rescued: w.Rescued, ClockSkew: w.ClockSkew.Seconds(),
		StartedAt: w.StartedAt, SeenAt: w.SeenAt, EndedAt: w.EndedAt,
	}
}

type workerList struct {
	Workers []Worker `json:"workers" nullable:"false"`
}

func (s *service) listWorkers(ctx context.Context, _ *struct{}) (workerList, error) {
	workers, err := liveness.List(ctx, s.pool)

	return workerList{Workers: operation.Each(workers, WorkerOf)}, err
}
