package middleware

import (
	"net/http"

	"orders/api/problem"
	"orders/order"
)

// Route is the mux with problems in place of its own responses, which are plain text,
// to a request that it has no route for.
func Route(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fallback, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)

			return
		}

		response := headersOnly{header: http.Header{}}
		fallback.ServeHTTP(&response, r)

		switch response.status {
		case http.StatusNotFound:
			problem.New(r.Context(), order.NotFound, "").Write(w)
		case http.StatusMethodNotAllowed:
			w.Header()["Allow"] = response.header["Allow"]
			problem.New(r.Context(), problem.MethodNotAllowed, "").Write(w)
		default: // a redirect to the path without its empty and dotted parts
			fallback.ServeHTTP(w, r)
		}
	})
}

// headersOnly keeps a response's status and headers, and drops its body.
type headersOnly struct {
	header http.Header
	status int
}

func (h *headersOnly) Header() http.Header            { return h.header }
func (h *headersOnly) WriteHeader(status int)         { h.status = status }
func (h *headersOnly) Write(data []byte) (int, error) { return len(data), nil }
