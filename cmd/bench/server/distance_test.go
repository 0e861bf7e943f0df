package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/cmd/bench/server"
	"orders/db/dbtest"
)

// What is distant answers, later by the round trip.
func TestADistantServerAnswersLater(t *testing.T) {
	t.Parallel()

	const roundTrip = 20 * time.Millisecond

	ctx, end := context.WithCancel(t.Context())
	defer end()

	url, err := server.Distant(ctx, dbtest.URL(t), roundTrip)
	if err != nil {
		t.Fatal(err)
	}

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())

	const trips = 5

	started := time.Now()

	for range trips {
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT 42`, pgx.QueryExecModeSimpleProtocol).Scan(&n); err != nil || n != 42 {
			t.Fatal(n, err)
		}
	}

	if took := time.Since(started); took < trips*roundTrip {
		t.Errorf("%d round trips took %s", trips, took)
	}

	end()

	if err := conn.Ping(t.Context()); err == nil {
		t.Error("it answers after its end")
	}
}
