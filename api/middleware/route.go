package middleware

import (
	"net/http"
	"path"

	"orders/api/problem"
	"orders/order"
)

// Route is the mux with problems in place of its own responses, which are plain text,
// to a request that it has no route for. A path with empty or dotted parts is no address
// either: the mux would redirect to the path without them, and clients that do not send
// a body again after a redirect would fail in ways that they do not understand.
func Route(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fallback, pattern := mux.Handler(r)
		if pattern != "" && isClean(r.URL.Path) {
			mux.ServeHTTP(w, r)

			return
		}

		response := headersOnly{header: http.Header{}}
		fallback.ServeHTTP(&response, r)

		if response.status == http.StatusMethodNotAllowed {
			w.Header()["Allow"] = response.header["Allow"]
			problem.New(r.Context(), problem.MethodNotAllowed, "").Write(w)

			return
		}

		problem.New(r.Context(), order.NotFound, "").Write(w)
	})
}

// isClean tells whether a path has no empty and no dotted parts.
func isClean(address string) bool {
	clean := path.Clean(address)

	return address == clean || address == clean+"/"
}

// headersOnly keeps a response's status and headers, and drops its body.
type headersOnly struct {
	header http.Header
	status int
}

func (h *headersOnly) Header() http.Header            { return h.header }
func (h *headersOnly) WriteHeader(status int)         { h.status = status }
func (h *headersOnly) Write(data []byte) (int, error) { return len(data), nil }
