package flow_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/order/ordertest"
)

// A cutter cuts connections around COMMIT, as often as its counts say.
type cutter struct {
	before, after atomic.Int64 // cuts left: COMMIT is never sent, or its response never arrives
	committed     func() int   // orders
	lost          atomic.Int64 // orders that were there when a response was lost
}

// commits tells whether what is sent executes COMMIT. pgx sends it as text, or executes
// a statement that it has prepared under a name that it derives from the text.
func commits(sent []byte) bool {
	return bytes.HasPrefix(sent, []byte("Q")) && bytes.Contains(sent, []byte("commit\x00")) ||
		bytes.Contains(sent, []byte("\x00"+stmtName("commit")+"\x00"))
}

func stmtName(sql string) string {
	sum := sha256.Sum256([]byte(sql))

	return "stmtcache_" + hex.EncodeToString(sum[:24])
}

// wire makes the pool's connections go through the cutter.
func (c *cutter) wire(config *pgxpool.Config) {
	config.ConnConfig.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		return &cutConn{Conn: conn, cutter: c}, nil
	}
}

type cutConn struct {
	net.Conn

	cutter *cutter
}

func (c *cutConn) Write(b []byte) (int, error) {
	if !commits(b) {
		return c.Conn.Write(b)
	}

	if c.cutter.before.Add(-1) >= 0 {
		c.Close()

		return 0, net.ErrClosed
	}

	n, err := c.Conn.Write(b)

	if c.cutter.after.Add(-1) >= 0 {
		c.Read(make([]byte, 1024)) // the server's "done", which the program will not see
		c.Close()
		c.cutter.lost.Add(int64(c.cutter.committed()))
	}

	return n, err
}

func TestPlaceResolvesAnUnknownCommit(t *testing.T) {
	t.Parallel()

	for name, cut := range map[string]struct {
		key           string
		before, after int64
	}{
		"cut before COMMIT, with a key":    {key: "k", before: 1},
		"cut before COMMIT, without a key": {before: 1},
		"cut after COMMIT, with a key":     {key: "k", after: 1},
		"cut after COMMIT, without a key":  {after: 1},
		"cut again and again":              {key: "k", before: 2, after: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			config, err := db.Config(dbtest.URL(t))
			if err != nil {
				t.Fatal(err)
			}

			var c cutter

			c.wire(config)

			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}

			t.Cleanup(pool.Close)

			b := ordertest.On(t, pool, map[string]int64{"tea": 10})
			c.committed = func() int { return b.Count(`SELECT count(*) FROM orders`) }
			c.before.Store(cut.before)
			c.after.Store(cut.after)

			placed, err := b.Place.Do(t.Context(), ordertest.Placement(cut.key, ordertest.Line("tea", 1)))
			if err != nil {
				t.Fatal(err)
			}

			if placed.Replayed || len(placed.Order.Lines) != 1 || len(placed.Order.Steps) != 3 {
				t.Errorf("placed %+v, want the whole order, as a new one", placed)
			}

			if c.before.Load() > 0 || c.after.Load() > 0 {
				t.Errorf("the connection was not cut")
			}

			if lost := c.lost.Load(); lost != cut.after {
				t.Errorf("%d orders were there when the response was lost, want %d", lost, cut.after)
			}

			if orders, jobs := b.Count(`SELECT count(*) FROM orders`), b.Count(`SELECT count(*) FROM river_job`); orders != 1 || jobs != 3 {
				t.Errorf("%d orders, %d jobs; want 1 and 3", orders, jobs)
			}
		})
	}
}
