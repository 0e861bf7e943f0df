package middleware

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"

	"orders/api/problem"
)

// corsMaxAge is how long browsers may keep the answer to a preflight request.
const corsMaxAge = 10 * time.Minute

// CORS lets pages of the origins use the API, and no pages of other sites. Requests carry
// a token, and no cookies.
func CORS(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}

	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut},
		AllowedHeaders: []string{
			"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", RequestID,
		},
		ExposedHeaders: []string{"ETag", "Idempotent-Replayed", "Location", "Retry-After", RequestID},
		MaxAge:         int(corsMaxAge.Seconds()),
	}).Handler(next)
}

// An origin as browsers send it. They make it ASCII and lower case, and leave out a port
// that is the scheme's own. In another form it would match no request. With a *, package
// cors would allow all sites that match, and net/http none of them.
var (
	originForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::[0-9]+)?$`)
	ownPort    = regexp.MustCompile(`^(?:http://.*:80|https://.*:443)$`)
)

// IsOrigin tells whether the text is an origin as browsers send it.
func IsOrigin(text string) bool { return originForm.MatchString(text) && !ownPort.MatchString(text) }

// SameOrigin refuses a request that changes something if a page of another site made
// the browser send it. Pages of the trusted origins may.
func SameOrigin(trusted []string, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()

	for _, origin := range trusted {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			continue // it is no origin, so no page has it; the program checks its settings
		}
	}

	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.New(r.Context(), problem.CrossOrigin, "").Write(w)
	}))

	return protection.Handler(next)
}

// LocalHosts refuses requests for other hosts than this machine and the named ones. Without
// tokens this is needed: a page of another site can let its name resolve to 127.0.0.1, and
// is then of the same origin (DNS rebinding).
func LocalHosts(named []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host, named) {
			problem.New(r.Context(), problem.UnknownHost, "").Write(w)

			return
		}

		next.ServeHTTP(w, r)
	})
}

// isLocal tells whether a Host is one of this machine, or named.
func isLocal(host string, named []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}

	host = strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
	if host == "localhost" || slices.Contains(named, host) {
		return true
	}

	ip := net.ParseIP(host)

	return ip != nil && ip.IsLoopback()
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
