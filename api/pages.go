package api

import (
	"net/http"
	"sync"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"orders/api/access"
	"orders/api/middleware"
	"orders/api/problem"
	"orders/api/riverui"
)

// pagePolicy lets a page load what comes from this server, and nothing else. Swagger UI
// and River UI have styles in the page itself, and Swagger UI its start, too.
const pagePolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

// docsFiles are what the page at /docs loads. Its package embeds other files, which are
// not served.
var docsFiles = []string{
	"/docs", "/docs/{$}",
	"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui-standalone-preset.js",
	"/docs/favicon-16x16.png", "/docs/favicon-32x32.png",
}

// servePages serves what people read: the document, its page, and River UI.
func (s *service) servePages(mux *http.ServeMux) {
	openapi := s.api.OpenAPI()
	s.handle(mux, "GET /openapi.json", access.Public, middleware.Gzip(document("application/openapi+json", openapi.MarshalJSON)))
	s.handle(mux, "GET /openapi.yaml", access.Public, middleware.Gzip(document("application/openapi+yaml", openapi.YAML)))
	s.handle(mux, "GET /problems", access.Public, page(http.HandlerFunc(s.listProblems)))
	s.handle(mux, "GET /problems/{code}", access.Public, page(http.HandlerFunc(s.explainProblem)))

	docs := page(v5emb.NewHandlerWithConfig(swgui.Config{
		Title: openapi.Info.Title, SwaggerJSON: "/openapi.json", BasePath: "/docs/",
		SettingsUI: map[string]string{"displayRequestDuration": "true", "tryItOutEnabled": "true"},
	}))
	for _, path := range docsFiles {
		s.handle(mux, "GET "+path, access.Public, docs)
	}

	s.handle(mux, "GET /{$}", access.Public, http.RedirectHandler("/docs", http.StatusFound))

	if s.RiverUI != nil {
		bounded := func(ui http.Handler) http.Handler {
			return page(middleware.ReadWithin(consolePatience, http.MaxBytesHandler(ui, maxConsoleBody)))
		}

		s.handle(mux, "GET /riverui/", access.ToWatch, bounded(s.RiverUI))
		s.handle(mux, "/riverui/", access.ToOperate, bounded(riverui.Record(s.Pool, s.Log, s.RiverUI))) // it changes jobs and queues
	}
}

// handle serves a route that is no operation.
func (s *service) handle(mux *http.ServeMux, pattern string, roles []access.Role, handler http.Handler) {
	s.pages[pattern] = roles
	mux.Handle(pattern, s.Keys.Require(roles, handler))
}

// document serves a text that is made once, at the first request.
func document(mediaType string, render func() ([]byte, error)) http.Handler {
	text := sync.OnceValues(render)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := text()
		if err != nil {
			problem.Of(r.Context(), err).Write(w)

			return
		}

		w.Header().Set("Content-Type", mediaType)
		w.Write(data)
	})
}

func page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Cache-Control", "no-cache")

		next.ServeHTTP(w, r)
	})
}
