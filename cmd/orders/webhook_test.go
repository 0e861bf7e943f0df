package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"orders/db/dbtest"
)

func TestWebhooksFromTheShell(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	code, secret, errs := inProcess(t, url, "webhook", "create", "https://shop.example/events", "--type", "order.confirmed,stock.low")
	id := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(errs)

	if code != exitOK || !strings.HasPrefix(secret, "whsec_") || id == "" || strings.Contains(errs, strings.TrimSpace(secret)) {
		t.Fatalf("create: exit code %d: %s%s", code, secret, errs)
	}

	code, rotated, errs := inProcess(t, url, "webhook", "rotate", id)
	if code != exitOK || !strings.HasPrefix(rotated, "whsec_") || rotated == secret {
		t.Errorf("rotate: exit code %d: %s%s", code, rotated, errs)
	}

	unknown := strings.Repeat("0", 8) + id[8:]

	for _, step := range []struct {
		args []string
		code int
		says []string
	}{
		{args: []string{"create", "http://shop.example/"}, code: exitUsage, says: []string{"https"}},
		{args: []string{"create", "https://192.168.1.1/"}, code: exitUsage, says: []string{"192.168.1.1", "public"}},
		{args: []string{"create", "https://shop.example/", "--type", "endpoint.test"}, code: exitUsage, says: []string{"order.confirmed"}},
		{args: []string{"list"}, says: []string{id, "order.confirmed stock.low", "active"}},
		{args: []string{"test", id, "--wait", "1ms"}, code: exitError, says: []string{"No worker has sent it yet"}},
		{args: []string{"disable", id}, code: exitUsage, says: []string{"--reason"}},
		{args: []string{"disable", id, "--reason", "a\x1bb"}, code: exitUsage, says: []string{"control characters"}},
		{args: []string{"disable", id, "--reason", "it moves"}, says: []string{"is disabled"}},
		{args: []string{"list"}, says: []string{"disabled", "it moves"}},
		{args: []string{"test", id}, code: exitError, says: []string{"is disabled"}},
		{args: []string{"enable", id}, says: []string{"is enabled"}},
		{args: []string{"enable", unknown}, code: exitError, says: []string{"There is no such webhook"}},
		{args: []string{"rotate", "x"}, code: exitUsage, says: []string{"a webhook's id"}},
	} {
		expect(t, url, step.code, step.says, append([]string{"webhook"}, step.args...)...)
	}

	_, list, _ := inProcess(t, url, "report", "actions", "--format", "json")

	var acts []map[string]any
	if err := json.Unmarshal([]byte(list), &acts); err != nil || len(acts) != 5 {
		t.Errorf("%d acts are recorded, want 5, each by its actor: %s", len(acts), list)
	}
}
