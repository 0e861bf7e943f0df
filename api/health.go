package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/operation"
	"orders/order"
)

// readyTimeout is less than load balancers wait for a response.
const readyTimeout = 3 * time.Second

func (s *service) registerHealth() {
	operation.Register(s.api, huma.Operation{
		OperationID: "healthz",
		Method:      http.MethodGet,
		Path:        "/healthz",
		Tags:        []string{"health"},
		Summary:     "Check that the process is alive",
		Description: "Does not use the database: a restart of this process would not repair the database.",
	}, operation.Contract{
		Roles:    access.Public,
		Response: health{Status: "ok", Version: "1"},
		Returns:  "The process is alive",
		Offline:  true,
	}, s.healthz)

	operation.Register(s.api, huma.Operation{
		OperationID: "readyz",
		Method:      http.MethodGet,
		Path:        "/readyz",
		Tags:        []string{"health"},
		Summary:     "Check that requests can be served",
		Description: "Checks that the database can be reached, that its schema fits this program, and that orders can be placed.",
	}, operation.Contract{
		Roles:    access.Public,
		Response: health{Status: "ok", Version: "1", Warnings: []string{"The clock of this machine is 120 s ahead of the database's."}},
		Returns:  "Requests can be served",
	}, s.readyz)
}

type health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version" doc:"The program's version"`

	Warnings []string `json:"warnings,omitempty" nullable:"false" doc:"What an operator should mend although requests can be served, in sentences"`
}

func (s *service) healthz(context.Context, *struct{}) (health, error) {
	return health{Status: "ok", Version: s.Version}, nil
}

func (s *service) readyz(ctx context.Context, _ *struct{}) (health, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	if err := s.Ready(ctx); err != nil {
		return health{}, order.Errorf(order.Unavailable,
			"The database cannot be reached, takes no writes, or its schema does not fit; the log has the cause.").Because(err)
	}

	h := health{Status: "ok", Version: s.Version}
	if s.Warns != nil {
		h.Warnings = s.Warns()
	}

	return h, nil
}
