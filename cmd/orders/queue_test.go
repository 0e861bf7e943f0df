package main

import (
	"encoding/json"
	"strings"
	"testing"

	"orders/cmd/orders/queue"
	"orders/db/dbtest"
)

func TestQueuesArePausedFromTheShell(t *testing.T) {
	t.Parallel()

	url := dbtest.URL(t)

	if code, _, stderr := inProcess(t, url, "queues", "pause", "points"); code != exitError || !strings.Contains(stderr, "start a worker once") {
		t.Errorf("before a worker has run: %d %s", code, stderr)
	}

	if code, _, stderr := inProcess(t, url, "queues", "pause", "points", "billing"); code != exitError || !strings.Contains(stderr, "the queues are delivery") {
		t.Errorf("an unknown queue: %d %s", code, stderr)
	}

	health := address(t)
	worker := start(t, map[string]string{"DATABASE_URL": url, "ORDERS_WORK_LISTEN": health}, "work")
	worker.url = "http://" + health
	worker.ready()

	states := func(args ...string) map[string]queue.Queue {
		t.Helper()

		code, stdout, stderr := inProcess(t, url, append([]string{"queues"}, append(args, "--format", "json")...)...)

		var list []queue.Queue
		if err := json.Unmarshal([]byte(stdout), &list); code != exitOK || err != nil {
			t.Fatalf("%v: exit code %d, %v: %s%s", args, code, err, stdout, stderr)
		}

		byName := map[string]queue.Queue{}
		for _, q := range list {
			byName[q.Queue] = q
		}

		return byName
	}

	if q := states("list")["points"]; q.State != "running" || q.Workers != 1 || q.PausedAt != nil {
		t.Errorf("%+v", q)
	}

	paused := states("pause", "points", "notification")
	if q := paused["points"]; q.State != "paused" || q.PausedAt == nil || paused["notification"].State != "paused" || paused["inventory"].State != "running" {
		t.Errorf("%+v", paused)
	}

	if again := states("pause", "points")["points"]; !again.PausedAt.Equal(*paused["points"].PausedAt) {
		t.Errorf("paused again: since %v, want %v", again.PausedAt, paused["points"].PausedAt)
	}

	if q := states("resume", "points", "notification")["points"]; q.State != "running" || q.PausedAt != nil {
		t.Errorf("%+v", q)
	}

	acted(t, url, "pause_queue points", "pause_queue notification", "resume_queue points", "resume_queue notification")

	code, stdout, _ := inProcess(t, url, "queues", "list")
	if code != exitOK || !strings.Contains(stdout, "queue") || !strings.Contains(stdout, "maintenance") {
		t.Errorf("%d %s", code, stdout)
	}
}
