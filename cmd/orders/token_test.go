package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"orders/db/dbtest"
)

// serve asks for tokens, which the command line makes and revokes. The first may come from a setting.
func TestServeAsksForTokens(t *testing.T) {
	t.Parallel()

	const operator = "an-operators-token-of-32-characters-or-more"

	url := dbtest.URL(t)
	p := start(t, map[string]string{
		"DATABASE_URL": url, "ORDERS_LISTEN": address(t), "ORDERS_INSECURE": "false", "ORDERS_OPERATOR_TOKEN": operator,
	}, "serve").ready()

	status := func(text string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/workers", nil)
		if err != nil {
			t.Fatal(err)
		}

		if text != "" {
			r.Header.Set("Authorization", "Bearer "+text)
		}

		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()

		return response.StatusCode
	}

	if none, first := status(""), status(operator); none != 401 || first != 200 {
		t.Errorf("without a token %d, with the operator's %d", none, first)
	}

	code, stdout, stderr := inProcess(t, url, "token", "create", "--name", "carol", "--role", "viewer,client")
	text := strings.TrimSpace(stdout)

	if code != exitOK || status(text) != 200 || !strings.Contains(stderr, "carol, roles viewer, client") || strings.Contains(stderr, text) {
		t.Errorf("create: %d %q %q, then %d", code, stdout, stderr, status(text))
	}

	code, stdout, _ = inProcess(t, url, "token", "list")
	if code != exitOK || !strings.Contains(stdout, "carol") || !strings.Contains(stdout, "ORDERS_OPERATOR_TOKEN") || strings.Contains(stdout, text) {
		t.Errorf("list: %d %s", code, stdout)
	}

	if code, _, stderr = inProcess(t, url, "token", "create", "--name", "carol", "--role", "client"); code != exitError || !strings.Contains(stderr, "revoke it first") {
		t.Errorf("a second token of the name: %d %s", code, stderr)
	}

	if code, _, stderr = inProcess(t, url, "token", "create", "--name", "dave", "--role", "admin"); code != exitUsage || !strings.Contains(stderr, "client,stock,viewer,operator") {
		t.Errorf("an unknown role: %d %s", code, stderr)
	}

	if code, stdout, _ = inProcess(t, url, "token", "revoke", "carol"); code != exitOK || !strings.Contains(stdout, "revoked") {
		t.Errorf("revoke: %d %s", code, stdout)
	}

	if code, _, stderr = inProcess(t, url, "token", "revoke", "carol"); code != exitError || !strings.Contains(stderr, "orders token list") {
		t.Errorf("revoke again: %d %s", code, stderr)
	}

	for deadline := time.Now().Add(time.Minute); status(text) != http.StatusUnauthorized; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the revoked token is not refused")
		}
	}
}
