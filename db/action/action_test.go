package action_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/action"
	"orders/db/dbtest"
	"orders/order"
)

var ann = order.Actor{Name: "ann", KnownBy: order.ByToken}

func record(t *testing.T, pool *pgxpool.Pool, actions ...action.Action) {
	t.Helper()

	if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error { return action.Record(t.Context(), tx, actions...) }); err != nil {
		t.Fatal(err)
	}
}

// The database refuses to change or delete what was recorded, whoever asks.
func TestActionsAreAppendOnly(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	record(t, pool, action.Action{By: ann, Name: action.PauseQueue, Target: action.Target{Kind: action.Queue, ID: "points"}})

	for _, sql := range []string{
		`UPDATE operator_actions SET actor = 'eve'`,
		`DELETE FROM operator_actions`,
		`TRUNCATE operator_actions`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM operator_actions WHERE actor = 'ann'`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// What the system does by itself has its ledgers and events.
func TestTheSystemsActsAreNotRecorded(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	record(t, pool, action.Action{By: order.Actor{Name: "compensate"}, Name: action.RedriveLetter})

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM operator_actions`); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestListByEachFilter(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	id := uuid.New()
	bob := order.Actor{Name: "bob", KnownBy: order.ByCLI}
	before := order.Moment{At: time.Now().Add(-time.Hour)}
	hourAgo := order.Moment{Relative: true, Ago: time.Hour}

	record(t, pool, action.Action{By: ann, Name: action.CancelOrder, Target: action.Target{Kind: action.Order, ID: id.String()}})
	record(t, pool,
		action.Action{By: bob, Name: action.RetryJob, Target: action.Target{Kind: action.Job, ID: "7"}, OrderID: id},
		action.Action{By: bob, Name: action.RetryJob, Target: action.Target{Kind: action.Job, ID: "8"}, Detail: map[string]any{"in": "River UI"}})

	for name, c := range map[string]struct {
		filter action.Filter
		want   string
	}{
		"all":        {action.Filter{}, "8 7 " + id.String()},
		"actor":      {action.Filter{Actor: "ann"}, id.String()},
		"action":     {action.Filter{Action: action.RetryJob}, "8 7"},
		"target":     {action.Filter{TargetKind: action.Job, TargetID: "8"}, "8"},
		"order":      {action.Filter{OrderID: id}, "7 " + id.String()},
		"since":      {action.Filter{Since: before}, "8 7 " + id.String()},
		"until":      {action.Filter{Until: before}, ""},
		"since now-": {action.Filter{Since: hourAgo}, "8 7 " + id.String()},
		"until now-": {action.Filter{Until: hourAgo}, ""},
		"both bound": {action.Filter{Since: before, Until: order.Moment{At: time.Now().Add(time.Hour)}, Actor: "bob"}, "8 7"},
	} {
		var (
			got   []string
			after *action.Position
		)

		for { // pages of one row
			page, err := action.List(t.Context(), pool, c.filter, after, 1)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}

			if len(page) == 0 {
				break
			}

			got = append(got, page[0].TargetID)
			after = &action.Position{At: page[0].At, ID: page[0].ID}
		}

		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}
