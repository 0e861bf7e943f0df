package dbtest

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A Counter counts what a pool sends to Postgres. What work costs in statements does not
// depend on the machine.
type Counter struct {
	statements, transactions, roundTrips atomic.Int64
}

// CountOn makes the pools of the configuration count.
func CountOn(config *pgxpool.Config) *Counter {
	c := &Counter{}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.Tracer = c

	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)

		return &countedConn{Conn: conn, counter: c}, err
	}

	return c
}

// Statements is how many statements were sent, BEGIN and COMMIT included.
func (c *Counter) Statements() int64 { return c.statements.Load() }

// Transactions is how many transactions were committed.
func (c *Counter) Transactions() int64 { return c.transactions.Load() }

// RoundTrips is how often a connection sent something after it had received something.
func (c *Counter) RoundTrips() int64 { return c.roundTrips.Load() }

// Reset forgets what was counted.
func (c *Counter) Reset() {
	c.statements.Store(0)
	c.transactions.Store(0)
	c.roundTrips.Store(0)
}

// TraceQueryStart counts a statement.
func (c *Counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	c.count(query.SQL)

	return ctx
}

func (c *Counter) count(sql string) {
	switch {
	case strings.Contains(sql, "PGNotifyMany"): // at most one in 10 ms, by River's clock
	case sql == "commit":
		c.transactions.Add(1)

		fallthrough
	default:
		c.statements.Add(1)
	}
}

// TraceQueryEnd is the end of a statement.
func (*Counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart counts the statements of a batch.
func (c *Counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, batch pgx.TraceBatchStartData) context.Context {
	for _, q := range batch.Batch.QueuedQueries {
		c.count(q.SQL)
	}

	return ctx
}

// TraceBatchQuery is the end of a statement of a batch.
func (*Counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is the end of a batch.
func (*Counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceCopyFromStart counts a COPY.
func (c *Counter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	c.statements.Add(1)

	return ctx
}

// TraceCopyFromEnd is the end of a COPY.
func (*Counter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// A countedConn counts round trips: a large message is many writes, but one round trip.
type countedConn struct {
	net.Conn

	counter *Counter
	sending atomic.Bool
}

func (c *countedConn) Write(data []byte) (int, error) {
	if c.sending.CompareAndSwap(false, true) {
		c.counter.roundTrips.Add(1)
	}

	return c.Conn.Write(data) //nolint:wrapcheck // a connection's error is its caller's
}

func (c *countedConn) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	if n > 0 {
		c.sending.Store(false)
	}

	return n, err //nolint:wrapcheck // as above
}
