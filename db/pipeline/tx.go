package pipeline

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Begin starts a nested transaction, in which no statement waits.
func (t *Tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}

	return t.begun.Begin(ctx)
}

// Exec executes a statement, after what waits.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	b := &pgx.Batch{}
	b.Queue(sql, args...)

	results := t.SendBatch(ctx, b)
	tag, err := results.Exec()

	if closeErr := results.Close(); err == nil {
		err = closeErr
	}

	return tag, err
}

// Query executes a query, after what waits.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.ready() {
		return t.begun.Query(ctx, sql, args...)
	}

	b := &pgx.Batch{}
	b.Queue(sql, args...)

	results := t.SendBatch(ctx, b)
	r, err := results.Query()

	return &rows{Rows: r, results: results}, err
}

// QueryRow executes a query, after what waits.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.ready() {
		return t.begun.QueryRow(ctx, sql, args...)
	}

	r, _ := t.Query(ctx, sql, args...) // the error is also that of the rows

	return row{r}
}

// CopyFrom copies rows into a table, after what waits.
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, err
	}

	return t.begun.CopyFrom(ctx, table, columns, source)
}

// Prepare prepares a statement, after what waits.
func (t *Tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}

	return t.begun.Prepare(ctx, name, sql)
}

// LargeObjects is not supported.
func (*Tx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Conn is the connection. What waits has not been sent to it.
func (t *Tx) Conn() *pgx.Conn { return t.conn }

// rows are the last result of a batch: closing them closes it.
type rows struct {
	pgx.Rows

	results pgx.BatchResults
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}

	r.Close()

	return false
}

func (r *rows) Close() {
	r.Rows.Close()
	_ = r.results.Close() // the rows have its error
}

// row is a row as pgx's QueryRow returns it.
type row struct{ rows pgx.Rows }

func (r row) Scan(dest ...any) error {
	defer r.rows.Close()

	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}

		return pgx.ErrNoRows
	}

	if err := r.rows.Scan(dest...); err != nil {
		return err
	}

	r.rows.Close()

	return r.rows.Err()
}

// later is a transaction whose statements wait.
type later struct {
	*Tx

	what string
}

func (l later) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, l.later(statement{l.what, sql, args})
}

func (l later) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	err := l.later(statement{l.what, sql, args})

	return noRows{err}, err
}

// noRows is the result of a query that has not been sent.
type noRows struct{ err error }

func (noRows) Close()                                       {}
func (r noRows) Err() error                                 { return r.err }
func (noRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (noRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (noRows) Next() bool                                   { return false }
func (noRows) Scan(...any) error                            { return pgx.ErrNoRows }
func (noRows) Values() ([]any, error)                       { return nil, pgx.ErrNoRows }
func (noRows) RawValues() [][]byte                          { return nil }
func (noRows) Conn() *pgx.Conn                              { return nil }
func (noRows) TypeMap() *pgtype.Map                         { return nil }
