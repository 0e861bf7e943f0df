package api

import (
	"net/http"

	"orders/api/access"
	"orders/api/console"
	"orders/api/docs"
	"orders/api/middleware"
	"orders/api/riverui"
)

// pagePolicy lets a page load what comes from this server, and nothing else. Swagger UI
// and River UI have styles in the page itself, and Swagger UI its start, too.
const pagePolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

// servePages serves what people read: the document, its page, and River UI.
func (s *service) servePages(mux *http.ServeMux) {
	for pattern, handler := range docs.Documents(s.api.OpenAPI()) {
		s.handle(mux, pattern, access.Public, handler)
	}

	for pattern, handler := range docs.Pages(s.api.OpenAPI()) {
		s.handle(mux, pattern, access.Public, page(handler))
	}

	s.handle(mux, "GET /problems", access.Public, page(http.HandlerFunc(s.listProblems)))
	s.handle(mux, "GET /problems/{code}", access.Public, page(http.HandlerFunc(s.explainProblem)))
	s.handle(mux, "GET /{$}", access.Public, http.HandlerFunc(console.Front))

	for _, route := range console.Routes(s.console()) {
		s.handle(mux, route.Pattern, route.Roles, route.Handler)
	}

	s.handle(mux, "GET /login", access.Public, page(http.HandlerFunc(s.Keys.LoginPage)))
	s.handle(mux, "POST /login", access.Public, page(middleware.ReadWithin(consolePatience, http.HandlerFunc(s.Keys.Login))))
	s.handle(mux, "POST /logout", access.Public, page(middleware.ReadWithin(consolePatience, http.HandlerFunc(s.Keys.Logout))))

	if s.Metrics != nil {
		s.handle(mux, "GET /metrics", access.ToWatch, s.Metrics)
	}

	if s.RiverUI != nil {
		bounded := func(ui http.Handler) http.Handler {
			return page(middleware.ReadWithin(consolePatience, http.MaxBytesHandler(ui, maxConsoleBody)))
		}

		s.handle(mux, "GET /riverui/", access.ToWatch, bounded(s.RiverUI))
		s.handle(mux, "/riverui/", access.ToOperate, bounded(riverui.Record(s.Pool, s.Log, s.RiverUI))) // it changes jobs and queues
	}
}

// console are the options of the console.
func (o Options) console() console.Options {
	return console.Options{
		Pool: o.Pool, Queue: o.Queue, Cancel: o.Cancel, RedriveAfter: o.RedriveAfter,
		Version: o.Version, AllowPrivate: o.AllowPrivate, RiverUI: o.RiverUI != nil, Open: o.Keys == nil,
	}
}

// handle serves a route that is no operation.
func (s *service) handle(mux *http.ServeMux, pattern string, roles []access.Role, handler http.Handler) {
	s.pages[pattern] = roles
	mux.Handle(pattern, s.Keys.Require(roles, handler))
}

func page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Cache-Control", "no-cache")

		next.ServeHTTP(w, r)
	})
}
