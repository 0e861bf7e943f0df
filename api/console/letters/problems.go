package letters

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/repair"
)

// maxGroups bounds the list of groups, as in the API.
const maxGroups = 200

type problemsPage struct {
	Groups []groupRow
	Total  int64 // open letters of the groups
}

// A groupRow is a group of letters with what it has done.
type groupRow struct {
	deadletter.Group

	Impact deadletter.Impact
	Trend  deadletter.Trend
}

// Address is that of the group's page.
func (g groupRow) Address() string { return GroupAddress(g.Kind, g.Signature) }

// Capped tells whether the impact is of a part of the letters.
func (g groupRow) Capped() bool { return g.Count > deadletter.MaxImpact }

func groupAddress(kind, signature string, more url.Values) string {
	query := url.Values{"kind": {kind}, "signature": {signature}}
	maps.Copy(query, more)

	return "/console/problems/group?" + query.Encode()
}

func (s *service) problems(r *http.Request) (page.View, error) {
	ctx := r.Context()
	v := page.View{Template: "problems", Title: "Problems", Section: "problems", Refresh: 5}

	var p problemsPage

	err := db.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		groups, err := deadletter.Groups(ctx, tx, deadletter.Filter{}, maxGroups)
		if err != nil {
			return err
		}

		impacts, err := deadletter.Impacts(ctx, tx)
		if err != nil {
			return err
		}

		trends, err := deadletter.Trends(ctx, tx)
		if err != nil {
			return err
		}

		for _, g := range groups {
			cause := deadletter.Cause{Kind: g.Kind, Signature: g.Signature}
			p.Groups = append(p.Groups, groupRow{Group: g, Impact: impacts[cause], Trend: trends[cause]})
			p.Total += g.Count
		}

		return nil
	})
	v.Data = p

	return v, err
}

type groupPage struct {
	page.Links
	groupRow

	State     deadletter.State
	Letters   []deadletter.Letter
	Customers []deadletter.Customer
	Limit     int // of an act on the group
}

// letterList is a list of dead letters in pages.
var letterList = operation.List[deadletter.Letter, deadletter.Position]{
	Name: "console-letters",
	Position: func(l deadletter.Letter) deadletter.Position {
		return deadletter.Position{DeadAt: l.DeadAt, JobID: l.JobID}
	},
}

// maxCustomers bounds the customers of a group's page.
const maxCustomers = 50

func (s *service) group(r *http.Request) (page.View, error) {
	filter, err := groupOf(r)
	v := page.View{Template: "group", Title: "Problem", Section: "problems", Refresh: 5}

	if err != nil {
		return v, err
	}

	p := groupPage{State: deadletter.Open, Limit: maxLetters}
	if r.FormValue("state") == string(deadletter.Resolved) {
		p.State = deadletter.Resolved
	}

	err = db.Snapshot(r.Context(), s.pool, func(tx pgx.Tx) error { return p.read(r, tx, filter) })
	v.Data = p

	if p.First != "" {
		v.Refresh = 0
	}

	return v, err
}

func (p *groupPage) read(r *http.Request, tx pgx.Tx, filter deadletter.Filter) error {
	ctx, cause := r.Context(), deadletter.Cause{Kind: filter.Kind, Signature: filter.Signature}

	groups, err := deadletter.Groups(ctx, tx, filter, 1)
	if err != nil {
		return err
	}

	p.Group = deadletter.Group{Kind: filter.Kind, Signature: filter.Signature}
	if len(groups) > 0 {
		p.Group = groups[0]
	}

	impacts, err := deadletter.Impacts(ctx, tx)
	if err != nil {
		return err
	}

	trends, err := deadletter.Trends(ctx, tx)
	if err != nil {
		return err
	}

	p.Impact, p.Trend = impacts[cause], trends[cause]

	if p.Customers, err = deadletter.Customers(ctx, tx, cause, maxCustomers); err != nil {
		return err
	}

	letters, next, err := letterList.Page(page.Of(r), func(after *deadletter.Position, limit int) ([]deadletter.Letter, error) {
		return deadletter.List(ctx, tx, filter, p.State, after, limit)
	})
	p.Letters, p.Links = letters, page.LinksOf(r, next)

	return err
}

// groupOf is the group that a request is about.
func groupOf(r *http.Request) (deadletter.Filter, error) {
	f := deadletter.Filter{Kind: r.FormValue("kind"), Signature: r.FormValue("signature")}
	if f.Kind == "" || f.Signature == "" {
		return f, order.Errorf(order.Invalid, "Say which dead letters: choose a problem from the list.")
	}

	return f, nil
}

type letterPage struct {
	deadletter.Detail

	Open, Dismissed bool
	Redrivable      bool
	Args            string
}

func jobOf(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("job"), 10, 64)
	if err != nil || id < 1 {
		return 0, order.Errorf(order.NotFound, "%q is no id of a job.", r.PathValue("job"))
	}

	return id, nil
}

func (s *service) letter(r *http.Request) (page.View, error) {
	v := page.View{Template: "letter", Title: "Dead letter", Section: "problems", Refresh: 5}

	id, err := jobOf(r)
	if err != nil {
		return v, err
	}

	letter, err := deadletter.Read(r.Context(), s.pool, id)
	p := letterPage{Detail: letter, Open: letter.ResolvedAt == nil, Dismissed: letter.Resolution == deadletter.Dismissed}
	p.Args = string(letter.Args)
	v.Title, v.Data = "Dead letter "+strconv.FormatInt(id, 10), p

	return v, err
}

// outcomeWords say what an outcome of a redrive means.
var outcomeWords = map[repair.Outcome]string{
	repair.Redriven:        "A new job has the work, with all its attempts.",
	repair.Eligible:        "A new job gets the work.",
	repair.AlreadyApplied:  "The work is done: the letter is resolved.",
	repair.OrderIsFinal:    "The order has ended: the letter is resolved.",
	repair.LiveJobExists:   "A live job has the work: the letter stays open until it is done.",
	repair.AlreadyResolved: "The letter was resolved before.",
	repair.NotRedrivable:   "The program does not know the kind of job, or there is no such order.",
	repair.NotFound:        "There is no such letter.",
}
