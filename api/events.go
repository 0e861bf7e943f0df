package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/access"
	"orders/api/middleware"
	"orders/api/operation"
	"orders/api/problem"
	"orders/api/stream"
	"orders/order"
)

func (s *service) registerEvents() {
	op := huma.Operation{
		OperationID: "watch-order",
		Method:      http.MethodGet,
		Path:        "/orders/{id}/events",
		Tags:        []string{"orders"},
		Summary:     "Watch an order until it settles",
		Description: "Sends server-sent events. The event `order` has the order as its data: once as it is now, and again after each " +
			"change. Changes that follow each other closely may be one event. When the order has settled, the event `settled` has " +
			"the status, and the stream ends. Every 15 seconds a comment keeps the connection open. A stream also ends after 10 " +
			"minutes, if its client does not read, and when the process stops. Then reconnect with `Last-Event-ID`, as browsers do " +
			"automatically: an event that the client has seen is not sent again. If the client has seen `settled`, the response is " +
			"204: browsers then do not reconnect.",
	}
	operation.Describe(&op, operation.Contract{
		Roles:    access.ToRead,
		Media:    stream.MediaType,
		Response: exampleEvents(),
		Returns:  "The events",
		Refusals: []order.Code{order.NotFound},
	}, s.api.OpenAPI().Components.Schemas)

	op.Responses["200"].Content[stream.MediaType].Schema = &huma.Schema{Type: huma.TypeString}
	op.Responses["204"] = &huma.Response{
		Description: "The order has settled, and Last-Event-ID says that the client has seen it",
		Headers:     map[string]*huma.Param{middleware.RequestID: operation.HeaderRef(middleware.RequestID)},
	}

	huma.Register(s.api, op, s.watchOrder)
}

type watchInput struct {
	OrderKey

	LastEventID string `header:"Last-Event-ID" maxLength:"64" pattern:"^[\\x21-\\x7e]*$" patternDescription:"visible ASCII characters" example:"5d41402abc4b2a76" doc:"The id of the last event that the client has seen; nothing is sent until the order differs from that event"` //nolint:tagliatelle // the standard's spelling
}

func (s *service) watchOrder(ctx context.Context, in *watchInput) (*huma.StreamResponse, error) {
	events, err := s.Watch.Open(ctx, in.logged(ctx), in.LastEventID)
	if err != nil {
		return nil, problem.Of(ctx, err)
	}

	return &huma.StreamResponse{Body: func(response huma.Context) {
		r, w := humago.Unwrap(response)
		events.Serve(w, r)
	}}, nil
}

func exampleEvents() string {
	return "retry: 1000\n\nid: 5d41402abc4b2a76\nevent: order\ndata: {\"id\":\"" + exampleOrder().ID.String() +
		"\",\"status\":\"confirmed\", …}\n\nid: 5d41402abc4b2a76-settled\nevent: settled\ndata: {\"status\":\"confirmed\"}\n\n"
}
