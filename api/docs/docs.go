// Package docs serves the document of the API and its page.
package docs

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"orders/api/middleware"
	"orders/api/problem"
)

// pageFiles are what the page at /docs loads. Its package embeds other files, which are
// not served.
var pageFiles = []string{
	"/docs", "/docs/{$}",
	"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui-standalone-preset.js",
	"/docs/favicon-16x16.png", "/docs/favicon-32x32.png",
}

// Documents are the document in its forms, by pattern.
func Documents(openapi *huma.OpenAPI) map[string]http.Handler {
	return map[string]http.Handler{
		"GET /openapi.json": middleware.Gzip(document("application/openapi+json", openapi.MarshalJSON)),
		"GET /openapi.yaml": middleware.Gzip(document("application/openapi+yaml", openapi.YAML)),
	}
}

// Pages are the page of the document and what it loads, by pattern.
func Pages(openapi *huma.OpenAPI) map[string]http.Handler {
	page := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: openapi.Info.Title, SwaggerJSON: "/openapi.json", BasePath: "/docs/",
		SettingsUI: map[string]string{"displayRequestDuration": "true", "tryItOutEnabled": "true"},
	})

	handlers := map[string]http.Handler{}
	for _, path := range pageFiles {
		handlers["GET "+path] = page
	}

	return handlers
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
