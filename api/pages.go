package api

import (
	"net/http"
	"sync"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"orders/api/middleware"
	"orders/api/problem"
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
	mux.Handle("GET /openapi.json", middleware.Gzip(document("application/openapi+json", openapi.MarshalJSON)))
	mux.Handle("GET /openapi.yaml", middleware.Gzip(document("application/openapi+yaml", openapi.YAML)))
	mux.Handle("GET /problems", page(http.HandlerFunc(s.listProblems)))
	mux.Handle("GET /problems/{code}", page(http.HandlerFunc(s.explainProblem)))

	docs := page(v5emb.NewHandlerWithConfig(swgui.Config{
		Title: openapi.Info.Title, SwaggerJSON: "/openapi.json", BasePath: "/docs/",
		SettingsUI: map[string]string{"displayRequestDuration": "true", "tryItOutEnabled": "true"},
	}))
	for _, path := range docsFiles {
		mux.Handle("GET "+path, docs)
	}

	mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))

	if s.RiverUI != nil {
		console := http.MaxBytesHandler(s.RiverUI, maxConsoleBody)
		mux.Handle("/riverui/", page(middleware.ReadWithin(consolePatience, console)))
	}
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
