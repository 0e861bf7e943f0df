package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"orders/api/console/page"
	"orders/api/problem"
)

// WantsPage tells whether a browser asks for a page to show.
func WantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// Front leads browsers to the console, and others to the document of the API.
func Front(w http.ResponseWriter, r *http.Request) {
	address := "/docs"
	if WantsPage(r) {
		address = "/console"
	}

	w.Header().Set("Vary", "Accept")
	http.Redirect(w, r, address, http.StatusFound)
}

// ProblemPages shows a refusal as a page if a browser asks for a page of the console, or for an
// address that has no route. Programs, and browsers that read the API, get problems as ever.
func ProblemPages(o Options, next http.Handler) http.Handler {
	site := o.site()

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !WantsPage(r) {
			next.ServeHTTP(w, r)

			return
		}

		held := &problemWriter{ResponseWriter: w, request: r}
		next.ServeHTTP(held, r)

		var p problem.Problem
		if held.holds && json.Unmarshal(held.body.Bytes(), &p) == nil {
			site.Render(w, r, p.Status, page.View{Template: "problem", Title: p.Title, Data: &p})
		}
	})
}

// A problemWriter holds back a problem that is shown as a page.
type problemWriter struct {
	http.ResponseWriter

	request *http.Request
	holds   bool
	body    bytes.Buffer
}

// Unwrap is for [http.ResponseController].
func (p *problemWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader looks at the response's type. The request has its pattern by now, if it has a route.
func (p *problemWriter) WriteHeader(status int) {
	path := p.request.URL.Path
	ours := path == "/console" || strings.HasPrefix(path, "/console/") || p.request.Pattern == ""

	if p.holds = ours && p.Header().Get("Content-Type") == problem.ContentType; !p.holds {
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *problemWriter) Write(data []byte) (int, error) {
	if p.holds {
		return p.body.Write(data)
	}

	return p.ResponseWriter.Write(data) //nolint:wrapcheck // a writer's error is its caller's
}
