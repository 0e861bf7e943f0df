package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/action"
	"orders/db/dbtest"
	"orders/db/token"
	"orders/order"
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

	acted(t, url, "create_token "+token.IDOf(operator), "create_token "+token.IDOf(text), "revoke_token "+token.IDOf(text))

	for deadline := time.Now().Add(time.Minute); status(text) != http.StatusUnauthorized; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the revoked token is not refused")
		}
	}
}

// acted checks what operator_actions has, by commands and settings: each action with its target.
func acted(t *testing.T, url string, want ...string) {
	t.Helper()

	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	list, err := action.List(t.Context(), pool, action.Filter{}, nil, 100)
	if err != nil {
		t.Fatal(err)
	}

	var got []string

	for _, a := range slices.Backward(list) {
		got = append(got, string(a.Action)+" "+a.TargetID)

		if by := shell.Actor(); (a.Actor != by.Name || a.KnownBy != by.KnownBy) && a.KnownBy != order.BySetting {
			t.Errorf("the actor of %s is %s, known by %s", a.Action, a.Actor, a.KnownBy)
		}
	}

	if !slices.Equal(got, want) {
		t.Errorf("actions: %q, want %q", got, want)
	}
}
