package api_test

import (
	"testing"
	"time"

	"orders/api/operator"
	"orders/db/liveness"
)

func TestWorkersAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)

	if got := b.ask(t, "GET", "/workers", "").body; got != `{"workers":[]}`+"\n" {
		t.Errorf("without any: %s", got)
	}

	lock, err := liveness.TakeLock(t.Context(), b.pool, "w-1")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close(t.Context())

	w := liveness.Worker{ID: "w-1", Host: "host", PID: 7, Version: "1.2.3", Queues: map[string]int{"points": 5}}
	if err := liveness.Register(t.Context(), b.pool, lock, w); err != nil {
		t.Fatal(err)
	}

	if _, err := b.pool.Exec(t.Context(), `
		INSERT INTO river_job (state, max_attempts, args, metadata, kind, queue, attempted_by)
		VALUES
			('running', 10, '{}', '{"orders:count": 250}', 'points_batch', 'points', '{w-0,w-1}'),
			('running', 10, '{"order_id": "x"}', '{}', 'points', 'points', '{w-1,w-0}'),
			('running', 10, '{"order_id": "x"}', '{}', 'points', 'points', '{w-1}')`); err != nil {
		t.Fatal(err)
	}

	type list struct {
		Workers []operator.Worker `json:"workers"`
	}

	got := as[list](t, b.ask(t, "GET", "/workers", ""), 200).Workers
	if len(got) != 1 || got[0].ID != "w-1" || got[0].PID != 7 || got[0].Version != "1.2.3" || got[0].Queues["points"] != 5 ||
		!got[0].Alive || got[0].Running != 2 || got[0].Orders != 251 || got[0].StartedAt.IsZero() || got[0].EndedAt != nil {
		t.Errorf("alive: %+v", got)
	}

	lock.Close(t.Context()) // the process is killed, and no other worker is there to see it

	for deadline := time.Now().Add(30 * time.Second); got[0].Alive; { // until its Postgres process has noticed
		if got = as[list](t, b.ask(t, "GET", "/workers", ""), 200).Workers; len(got) != 1 || time.Now().After(deadline) {
			t.Fatalf("killed: %+v", got)
		}
	}
}
