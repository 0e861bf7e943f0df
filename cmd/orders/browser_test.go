//go:build browser

package main

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// dom is the page as a real browser renders it, after its scripts have run.
func dom(t *testing.T, url string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	out, err := exec.CommandContext(ctx, chromium(t), append(chromiumFlags,
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=10000", "--dump-dom", url)...).Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}

	return string(out)
}

// A new user opens the addresses that `dev` prints: the documentation, and the jobs of an order.
func TestBrowserPages(t *testing.T) {
	t.Parallel()

	settings := devSettings(t)
	p := start(t, settings, "dev").ready()

	if _, status, err := p.place("", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}]}`); status != 201 {
		t.Fatal(status, err)
	}

	eventually(t, devPool(t, settings), 3, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)

	for path, want := range map[string][]string{
		"/":                             {"Overview", "Wants a person", "Workers", "leader"},
		"/docs":                         {"Place an order", "/orders/{id}", "Book a receipt of stock"},
		"/riverui/jobs?state=completed": {"inventory", "points", "notification", "Completed"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()

			page := dom(t, p.url+path)
			for _, text := range want {
				if !strings.Contains(page, text) {
					t.Errorf("the page does not show %q:\n%.4000s", text, page)
				}
			}

			for _, source := range regexp.MustCompile(`(?:src|href)="(https?:)?//[^"]*"`).FindAllString(page, -1) {
				if strings.HasPrefix(source, "src") || strings.Contains(source, ".css") {
					t.Errorf("the page loads %s from elsewhere", source)
				}
			}
		})
	}
}
