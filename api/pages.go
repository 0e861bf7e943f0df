package api

import (
	"net/http"
	"sync"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"orders/order"
)

// pagePolicy lets a page load what comes from here, and nothing else. Swagger UI
// and River UI have styles, and the former its start, in the page itself.
const pagePolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

// docsFiles are what the page at /docs loads. Others that its package has embedded are not served.
var docsFiles = []string{
	"/docs", "/docs/{$}",
	"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui-standalone-preset.js",
	"/docs/favicon-16x16.png", "/docs/favicon-32x32.png",
}

// servePages mounts what people look at.
func (s *service) servePages(mux *http.ServeMux) {
	openapi := s.api.OpenAPI()
	mux.Handle("GET /openapi.json", document("application/openapi+json", openapi.MarshalJSON))
	mux.Handle("GET /openapi.yaml", document("application/openapi+yaml", openapi.YAML))

	docs := page(v5emb.NewHandlerWithConfig(swgui.Config{
		Title: openapi.Info.Title, SwaggerJSON: "/openapi.json", BasePath: "/docs/",
		SettingsUI: map[string]string{"displayRequestDuration": "true", "tryItOutEnabled": "true"},
	}))
	for _, path := range docsFiles {
		mux.Handle("GET "+path, docs)
	}

	mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))

	if s.RiverUI != nil {
		mux.Handle("/riverui/", page(http.MaxBytesHandler(s.RiverUI, maxConsoleBody)))
	}
}

// document serves a text that is made once, when it is first asked for.
func document(mediaType string, render func() ([]byte, error)) http.Handler {
	text := sync.OnceValues(render)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := text()
		if err != nil {
			problemOf(r.Context(), err).write(w)

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

// routed is the mux, but for its own answers to what it has no route for: they
// are plain text.
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)

			return
		}

		muxSays := sink{header: http.Header{}}
		answer.ServeHTTP(&muxSays, r)

		switch muxSays.status {
		case http.StatusNotFound:
			newProblem(r.Context(), order.NotFound, "").write(w)
		case http.StatusMethodNotAllowed:
			w.Header()["Allow"] = muxSays.header["Allow"]
			newProblem(r.Context(), methodNotAllowed, "").write(w)
		default: // a redirect to the path without its empty and dotted parts
			answer.ServeHTTP(w, r)
		}
	})
}

// sink keeps an answer's status and headers.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header            { return s.header }
func (s *sink) WriteHeader(status int)         { s.status = status }
func (s *sink) Write(data []byte) (int, error) { return len(data), nil }
