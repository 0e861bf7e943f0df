package middleware

import (
	"net/http"

	"orders/api/problem"
)

// SameOrigin refuses a request that changes something if a page of another site made
// the browser send it.
func SameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.New(r.Context(), problem.CrossOrigin, "").Write(w)
	}))

	return protection.Handler(next)
}

// SecureHeaders sets the headers that fit responses that are data. Pages set their own policy.
func SecureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")

		next.ServeHTTP(w, r)
	})
}
