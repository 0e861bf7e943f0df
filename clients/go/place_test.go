package clients

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// flaky is the server, behind a proxy that drops the first answer and refuses the next request.
func flaky(t *testing.T) string {
	to, err := url.Parse(os.Getenv("ORDERS_URL"))
	if err != nil {
		t.Fatal(err)
	}

	var requests atomic.Int64

	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(*http.Response) error {
		if requests.Load() == 1 {
			panic(http.ErrAbortHandler) // the order is placed, and the client does not learn of it
		}

		return nil
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 2 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "{}", http.StatusServiceUnavailable)

			return
		}

		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	return server.URL
}

// The samples of docs/api.md place one order, although its first answer is lost.
func TestSamplesPlaceAnOrderOnce(t *testing.T) {
	key := fmt.Sprint("sample-", time.Now().UnixNano())
	body := `{"user_id":"` + key + `","lines":[{"sku":"tea","quantity":1}]}`

	first, err := Place(t.Context(), flaky(t), "", key, []byte(body))
	if err != nil || !strings.HasPrefix(first, "/orders/") {
		t.Fatal(first, err)
	}

	shell := exec.Command("sh", "-euc", ". ../curl/place.sh; place "+key+" '"+body+"'")
	shell.Env = append(os.Environ(), "ORDERS_URL="+os.Getenv("ORDERS_URL"))

	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), strings.TrimPrefix(first, "/orders/")) {
		t.Errorf("%v: %s, want order %s", err, out, first)
	}

	var refused *Problem
	if _, err := Place(t.Context(), os.Getenv("ORDERS_URL"), "", key+"-2", []byte(strings.Replace(body, "tea", "no-such", 1))); !errors.As(err, &refused) || refused.Type != "/problems/unknown-sku" {
		t.Errorf("%v", err)
	}
}
