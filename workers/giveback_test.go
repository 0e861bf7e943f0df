package workers_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
)

// A cutter cuts connections after the server has answered a fetch and before the client
// has read the answer.
type cutter struct {
	cutting atomic.Bool
	known   sync.Map // connections that have prepared the fetch
}

type cutConn struct {
	net.Conn

	cut atomic.Bool
}

// Read loses the answer: the server has committed by the time it sends it.
func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.cut.Load() {
		c.Close()

		return 0, io.ErrUnexpectedEOF
	}

	return n, err
}

func (c *cutter) TraceQueryStart(ctx context.Context, conn *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	if strings.Contains(query.SQL, "name: JobGetAvailable ") {
		if _, prepared := c.known.LoadOrStore(conn, true); prepared && c.cutting.Load() {
			conn.PgConn().Conn().(*cutConn).cut.Store(true)
		}
	}

	return ctx
}

func (*cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// The answers to fetches are lost, so jobs run in the worker's name and nobody works them. The
// worker gives them back itself, as no time passes by which another would find them.
func TestJobsWhoseFetchWasLostAreGivenBack(t *testing.T) {
	t.Parallel()

	const orders = 40

	cuts := &cutter{}

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	config.ConnConfig.Tracer = cuts
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}

		return &cutConn{Conn: conn}, nil
	}

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	b := setupOn(t, pool)
	b.start()
	b.order(1)
	b.eventually(3, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance'`)

	placed := 1

	// A job that runs for long may also be in slow hands. So there are rounds until one was lost, and fetched again.
	for count(b, `SELECT count(*) FROM river_job WHERE cardinality(attempted_by) > 1 AND queue <> 'maintenance'`) == 0 {
		cuts.cutting.Store(true)

		for range orders {
			b.order(1)
		}

		placed += orders

		b.eventually(1, `SELECT least(count(*), 1) FROM river_job WHERE state = 'running' AND attempted_at < now() - interval '300 ms'`)
		cuts.cutting.Store(false)
		b.eventually(3*placed, `SELECT count(*) FROM river_job WHERE state = 'completed' AND queue <> 'maintenance' AND attempt = 1`)
	}

	for sql, want := range map[string]int{
		`SELECT count(*) FROM orders WHERE status = 'confirmed'`:                                    placed,
		`SELECT count(*) FROM river_job WHERE errors IS NOT NULL OR metadata::text LIKE '%rescue%'`: 0,
	} {
		if got := count(b, sql); got != want {
			t.Errorf("%s = %d, want %d", sql, got, want)
		}
	}
}
