package api

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
)

// A Route is who may use it.
type Route struct {
	Pattern string
	Roles   []access.Role
}

// Routes are all routes of the API.
func Routes() (routes []Route) {
	mux := http.NewServeMux()
	s := newService(Options{Version: "test", Log: slog.New(slog.DiscardHandler), RiverUI: http.NotFoundHandler(), Metrics: http.NotFoundHandler()}, mux)
	s.servePages(mux)

	for pattern, roles := range s.pages {
		routes = append(routes, Route{pattern, roles})
	}

	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete, "PATCH": item.Patch} {
			if op != nil {
				routes = append(routes, Route{method + " " + path, access.RolesOf(op)})
			}
		}
	}

	return routes
}
