package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/order"
)

// readyTimeout is short of what load balancers wait for an answer.
const readyTimeout = 3 * time.Second

func (s *service) registerHealth() {
	register(s, huma.Operation{
		OperationID: "healthz",
		Method:      http.MethodGet,
		Path:        "/healthz",
		Tags:        []string{"health"},
		Summary:     "Tell that the process lives",
		Description: "Asks nothing of the database: restarting this process would not mend that.",
	}, contract{
		response: health{Status: "ok", Version: "1"},
		answer:   "The process lives",
	}, s.healthz)

	register(s, huma.Operation{
		OperationID: "readyz",
		Method:      http.MethodGet,
		Path:        "/readyz",
		Tags:        []string{"health"},
		Summary:     "Tell whether requests can be served",
		Description: "Asks whether the database can be reached and its schema fits this program.",
	}, contract{
		response: health{Status: "ok", Version: "1"},
		answer:   "Requests can be served",
		refusals: []order.Code{order.Unavailable},
	}, s.readyz)
}

type health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version" doc:"The program's version"`
}

func (s *service) healthz(context.Context, *struct{}) (*answer[health], error) {
	return &answer[health]{Body: health{Status: "ok", Version: s.Version}}, nil
}

func (s *service) readyz(ctx context.Context, _ *struct{}) (*answer[health], error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	if err := s.Ready(ctx); err != nil {
		return nil, order.Errorf(order.Unavailable,
			"The database cannot be reached or its schema does not fit; the log has the cause.").Because(err)
	}

	return s.healthz(ctx, nil)
}
