package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orders/db/dbtest"
)

const nginx = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
`

// The configuration for nginx in docs/operations.md serves browsers: they log in, act and get
// events at once, and nobody names a user in a header.
func TestBehindNginx(t *testing.T) {
	t.Parallel()

	const operator = "an-operators-token-of-32-characters-or-more"

	listen, database := address(t), dbtest.URL(t)
	if code, _, stderr := inProcess(t, database, "seed"); code != exitOK {
		t.Fatal(stderr)
	}

	start(t, map[string]string{
		"DATABASE_URL": database, "ORDERS_LISTEN": listen, "ORDERS_INSECURE": "false", "ORDERS_OPERATOR_TOKEN": operator,
		"ORDERS_PROXY_ADDRESSES": "127.0.0.1", "ORDERS_PROXY_ROLES": "staff=operator",
	}, "serve").ready()

	site, browser := startNginx(t, listen)

	open := func(method, path, body string, headers ...string) *http.Response {
		t.Helper()

		r, err := http.NewRequestWithContext(t.Context(), method, site+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}

		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}

		response, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}

		return response
	}

	send := func(method, path, body string, headers ...string) (status int, header http.Header, text []byte) {
		t.Helper()

		r := open(method, path, body, headers...)
		defer r.Body.Close()

		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}

		return r.StatusCode, r.Header, text
	}

	if status, _, _ := send("GET", "/orders", "", "X-Forwarded-User", "mallory", "X-Forwarded-Groups", "staff"); status != http.StatusUnauthorized {
		t.Errorf("with a user header of its own, a client gets %d", status)
	}

	form := url.Values{"token": {operator}, "next": {"/console"}}.Encode()

	status, header, _ := send("POST", "/login", form, "Content-Type", "application/x-www-form-urlencoded", "Origin", site)
	if status != http.StatusSeeOther || !strings.Contains(header.Get("Set-Cookie"), "; Secure") {
		t.Fatalf("login: %d %v", status, header)
	}

	place := func(origin string) (status int, text []byte) {
		status, _, text = send("POST", "/orders", `{"user_id":"u","lines":[{"sku":"tea","quantity":1}]}`,
			"Content-Type", "application/json", "Idempotency-Key", "key", "Origin", origin)

		return status, text
	}

	if status, _ := place("https://evil.example"); status != http.StatusForbidden {
		t.Errorf("from another origin: %d", status)
	}

	var made placed

	status, text := place(site)
	if err := json.Unmarshal(text, &made); err != nil || status != http.StatusCreated {
		t.Fatalf("from its own origin: %d %s", status, text)
	}

	// No worker runs, so nothing follows the first event: a proxy that waits for more would hold it.
	stream := open("GET", "/orders/"+made.ID+"/events", "", "Accept", "text/event-stream")
	defer stream.Body.Close()

	if lines := bufio.NewScanner(stream.Body); !lines.Scan() {
		t.Errorf("no event: %v", lines.Err())
	}
}

// startNginx starts the nginx of docs/operations.md before the program at listen. It returns
// its address, and a client that trusts it and keeps cookies.
func startNginx(t *testing.T, listen string) (string, *http.Client) {
	t.Helper()

	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatal("nginx is missing: install it, on Debian with apt-get install nginx-light")
	}

	dir, port := t.TempDir(), address(t)
	browser := certificate(t, dir)
	config := nginx + strings.NewReplacer("443", port, "127.0.0.1:8080", listen, "/etc/ssl", dir).Replace(block(t, "nginx")) + "}"

	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "nginx", "-e", "stderr", "-p", dir, "-c", "nginx.conf")
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()

		if t.Failed() {
			t.Log(log)
		}
	})

	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+port+"/livez", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}

		response, err := browser.Do(r)
		if err == nil {
			response.Body.Close()

			return "https://" + port, browser
		}

		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %v\n%s", err, log)
		}
	}
}

// certificate writes the files of a certificate for 127.0.0.1, and returns a client that trusts it.
func certificate(t *testing.T, dir string) *http.Client {
	t.Helper()

	server := httptest.NewTLSServer(nil)
	defer server.Close()

	own := server.TLS.Certificates[0]

	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}

	for name, block := range map[string]*pem.Block{
		"orders.crt": {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, "orders.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	if client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}

	return client
}
