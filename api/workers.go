package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orders/db"
	"orders/order"
)

func (s *service) registerWorkers() {
	at := exampleOrder().CreatedAt

	register(s, huma.Operation{
		OperationID: "list-workers",
		Method:      http.MethodGet,
		Path:        "/workers",
		Tags:        []string{"workers"},
		Summary:     "List worker processes",
		Description: "Those that live, and for an hour those that were found dead. One that was told to stop leaves none behind.",
	}, contract{
		response: workerList{Workers: []db.Worker{{
			ID: "host-4711-q3vk7a", Host: "host", PID: 4711, Version: "1.4.0", Queues: map[string]int{"inventory": 500},
			Alive: true, Running: 40, StartedAt: at, SeenAt: at,
		}}},
		answer:   "The worker processes, those that live first",
		refusals: []order.Code{order.Unavailable},
	}, s.listWorkers)
}

type workerList struct {
	Workers []db.Worker `json:"workers" nullable:"false"`
}

func (s *service) listWorkers(ctx context.Context, _ *struct{}) (*answer[workerList], error) {
	workers, err := db.Workers(ctx, s.Pool)

	return &answer[workerList]{Body: workerList{Workers: workers}}, err
}
