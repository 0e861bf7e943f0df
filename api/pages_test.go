package api_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"orders/api"
)

// huma's own pages load their scripts from elsewhere.
func TestDocsLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	b := serve(t)

	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"|url\(([^)]*)\)|@import`)

	for _, path := range []string{"/docs", "/docs/"} {
		r := b.ask(t, "GET", path, "")
		if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(r.body, "/openapi.json") {
			t.Fatalf("%s: %d %s", path, r.status, r.body)
		}

		if policy := r.header.Get("Content-Security-Policy"); strings.Contains(policy, "http") || !strings.Contains(policy, "default-src 'self'") {
			t.Errorf("policy = %q", policy)
		}

		found := loads.FindAllStringSubmatch(r.body, -1)
		if len(found) != 5 {
			t.Errorf("%s loads %v", path, found)
		}

		for _, file := range found {
			if !strings.HasPrefix(file[1], "/docs/") {
				t.Errorf("%s loads %s", path, file[0])
			}

			if r := b.ask(t, "GET", file[1], ""); r.status != 200 || r.body == "" {
				t.Errorf("%s: %d", file[1], r.status)
			}
		}
	}

	for _, file := range loads.FindAllStringSubmatch(b.ask(t, "GET", "/docs/swagger-ui.css", "").body, -1) {
		if !strings.HasPrefix(strings.Trim(file[2], `"'`), "data:") {
			t.Errorf("the style sheet loads %.80s", file[0])
		}
	}
}

func TestFrontPageLeadsToTheDocs(t *testing.T) {
	t.Parallel()
	b := serve(t)

	if r := b.ask(t, "GET", "/", ""); r.status != 302 || r.header.Get("Location") != "/docs" {
		t.Errorf("%d %v", r.status, r.header)
	}
}

func TestRiverUI(t *testing.T) {
	t.Parallel()

	b := serve(t, func(o *api.Options) {
		o.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, r.URL.Path, " ", n, " ", err)
		})
	})

	if r := b.ask(t, "GET", "/riverui/jobs", ""); r.body != "/riverui/jobs 0 <nil>" || !strings.Contains(r.header.Get("Content-Security-Policy"), "'self'") {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}

	if r := b.ask(t, "GET", "/riverui", ""); r.header.Get("Location") != "/riverui/" {
		t.Errorf("%d %v", r.status, r.header)
	}

	if r := b.ask(t, "PUT", "/riverui/jobs", strings.Repeat("x", 1<<20+1)); !strings.Contains(r.body, "too large") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
