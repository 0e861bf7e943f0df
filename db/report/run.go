package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orders/order"
)

// A Query narrows a report.
type Query struct {
	Args    map[string]string // values of parameters as people give them; an empty one is its default
	Prefix  string            // what stands before the names of parameters where they are given, such as -- of flags
	Limit   int               // largest number of rows; DefaultLimit if 0
	Timeout time.Duration     // of the statement; DefaultTimeout if 0
}

// database begins transactions: a pool, or a transaction of a test.
type database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Run runs a report; [order.NotFound] if there is none of that name. It only reads, and in one
// statement: all rows are of one snapshot. A cursor returns as many rows as are asked for, and no
// more are computed than that.
func Run(ctx context.Context, db database, name string, q Query) (Table, error) {
	report, err := Find(name)
	if err != nil {
		return Table{}, err
	}

	settings, err := report.settings(q.Prefix, q.Args)
	if err != nil {
		return Table{}, err
	}

	tx, err := db.Begin(ctx)
	if err != nil {
		return Table{}, fmt.Errorf("run report %s: %w", name, err)
	}

	defer rollback(ctx, tx) // there is nothing to keep

	timeout, limit := cmp.Or(q.Timeout, DefaultTimeout), cmp.Or(q.Limit, DefaultLimit)

	table, err := report.rows(ctx, tx, settings, timeout, limit)
	if ended(err) {
		return table, order.Errorf(order.Unavailable,
			"Report %s took more than %s. Ask about a shorter time if it has parameters since and until, or try again.",
			name, timeout).Because(err)
	}

	if err != nil {
		return table, fmt.Errorf("run report %s: %w", name, err)
	}

	return table, nil
}

// rows reads at most limit rows.
func (r Report) rows(ctx context.Context, tx pgx.Tx, s settings, timeout time.Duration, limit int) (Table, error) {
	table := Table{Columns: make([]string, len(r.Columns))}
	for i, column := range r.Columns {
		table.Columns[i] = column.Name
	}

	// set_config binds what SET would have to splice.
	if _, err := tx.Exec(ctx, `
		SELECT
			set_config('transaction_read_only', 'on', true),
			set_config('statement_timeout', $1, true),
			set_config('cursor_tuple_fraction', '1', true),
			(
				SELECT count(set_config('orders.' || name, coalesce(value, (now() - ago)::text), true))
				FROM unnest($2::text[], $3::text[], $4::interval[]) AS parameter (name, value, ago)
			)`, strconv.FormatInt(timeout.Milliseconds(), 10), s.names, s.values, s.ago); err != nil {
		return table, err //nolint:wrapcheck // Run does it
	}

	if _, err := tx.Exec(ctx, `DECLARE report NO SCROLL CURSOR FOR `+r.SQL); err != nil {
		return table, err //nolint:wrapcheck // Run does it
	}

	// Each report has columns of its own, so the description of FETCH must not be cached.
	rows, err := tx.Query(ctx, `FETCH `+strconv.Itoa(limit+1)+` FROM report`, pgx.QueryExecModeDescribeExec)
	if err != nil {
		return table, err //nolint:wrapcheck // Run does it
	}

	table.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if len(table.Rows) > limit {
		table.Rows, table.Truncated = table.Rows[:limit], true
	}

	return table, err //nolint:wrapcheck // Run does it
}

// settings are the parameters for SQL, each as a value or as a time before now, by the clock of
// the database.
type settings struct {
	names  []string
	values []*string
	ago    []*time.Duration
}

// settings reads the values of parameters.
func (r Report) settings(prefix string, args map[string]string) (s settings, err error) {
	for name, text := range args {
		if text == "" {
			continue
		}

		parameter, err := r.parameter(prefix, name)
		if err != nil {
			return s, err
		}

		value, ago, err := parameter.read(prefix, text)
		if err != nil {
			return s, err
		}

		s.names, s.values, s.ago = append(s.names, name), append(s.values, value), append(s.ago, ago)
	}

	return s, r.checkPeriod(prefix, args)
}

// checkPeriod refuses a period that ends before it begins. A bound that is not given is the report's default.
func (r Report) checkPeriod(prefix string, args map[string]string) error {
	bounds := map[string]string{}

	for _, p := range r.Parameters {
		bounds[p.Name] = cmp.Or(args[p.Name], p.Default)
	}

	_, _, err := order.ParsePeriod(prefix, bounds["since"], bounds["until"])
	if err != nil && args["since"] == "" {
		return order.Errorf(order.Invalid, "%[1]suntil is before %[1]ssince, which is %[2]s by default: give an earlier %[1]ssince, too.",
			prefix, bounds["since"])
	}

	return err //nolint:wrapcheck // a refusal
}

const maxText = 200

func (p Parameter) read(prefix, text string) (value *string, ago *time.Duration, err error) {
	if p.Type == Text {
		if !utf8.ValidString(text) || len(text) > maxText || strings.ContainsRune(text, 0) {
			return nil, nil, order.Errorf(order.Invalid, "Give %s as a text of at most %d bytes.", prefix+p.Name, maxText)
		}

		return &text, nil, nil
	}

	m, err := order.ParseMoment(prefix+p.Name, text)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // a refusal
	}

	if m.Relative {
		return nil, &m.Ago, nil
	}

	at := m.At.Format(time.RFC3339Nano)

	return &at, nil, nil
}

// ended tells whether Postgres has ended a statement, as its timeout does.
func ended(err error) bool {
	const queryCanceled = "57014"

	pgErr, ok := errors.AsType[*pgconn.PgError](err)

	return ok && pgErr.Code == queryCanceled
}

func rollback(ctx context.Context, tx pgx.Tx) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()

	_ = tx.Rollback(cleanup) // if it fails, pgx closes the connection
}
