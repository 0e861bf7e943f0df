package console

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"orders/api/access"
	"orders/api/middleware"
	"orders/api/problem"
	"orders/order"
)

// policy lets a page load what comes from this server, without anything in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds the body of a form, in bytes.
const maxForm = 64 << 10

// A view is what a template shows.
type view struct {
	Template string // the file, without .html
	Title    string
	Section  string // of the navigation
	Refresh  int    // seconds after which the live parts are read again; 0 for never
	Redirect string // show another page in place of this one
	Watch    string // address of a stream of events, each of which makes the live parts be read again
	Data     any

	// The rest is set for every page.
	Who     access.Principal
	Open    bool
	May     bool // operate
	RiverUI bool
	Version string
	Assets  string
	Now     time.Time
	Query   string // of the search field
	Error   string // why the form was refused
	Done    string // what the form did
	Form    string // an id for the forms of this page
}

// A page reads what a page shows.
type page func(r *http.Request) (view, error)

// An act does what a form asks for, and returns the address of the page to show then.
type act func(r *http.Request) (address string, err error)

// show serves a page.
func (c *console) show(read page) http.Handler {
	return middleware.Gzip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := read(r)
		if err != nil {
			c.refuse(w, r, problem.Of(r.Context(), err))

			return
		}

		if v.Redirect != "" {
			http.Redirect(w, r, v.Redirect, http.StatusSeeOther)

			return
		}

		v.Done = doneText(r)
		c.render(w, r, http.StatusOK, v)
	}))
}

// do serves a form. If the act is refused, the page with the form is shown again with the reason.
func (c *console) do(act act, from page) http.Handler {
	return middleware.ReadWithin(formPatience, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)

		if err := r.ParseForm(); err != nil {
			c.refuse(w, r, problem.New(r.Context(), problem.MalformedBody, "The form did not arrive; send it again."))

			return
		}

		address, err := act(r)
		if err == nil {
			http.Redirect(w, r, address, http.StatusSeeOther)

			return
		}

		refusal := problem.Of(r.Context(), err)

		v, err := from(r)
		if err != nil || refusal.Status >= http.StatusInternalServerError {
			c.refuse(w, r, refusal)

			return
		}

		v.Error = refusal.Detail
		c.render(w, r, refusal.Status, v)
	}))
}

const formPatience = 10 * time.Second // for the body of a form to arrive

// refuse shows a problem as a page.
func (c *console) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}

	c.render(w, r, p.Status, view{Template: "problem", Title: p.Title, Data: p})
}

func (c *console) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Who, v.Open, v.RiverUI, v.Version, v.Assets = access.Of(r.Context()), c.Open, c.RiverUI, c.Version, assetVersion
	v.May = c.may(r.Context(), access.ToOperate)
	v.Now, v.Form = time.Now().UTC(), uuid.NewString()

	if v.Query == "" {
		v.Query = r.FormValue("q")
	}

	var text bytes.Buffer

	if err := templates()[v.Template].ExecuteTemplate(&text, "layout.html", v); err != nil {
		problem.Of(r.Context(), err).Write(w)

		return
	}

	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	w.Write(text.Bytes())
}

// may tells whether who sends the request may use routes for the roles.
func (c *console) may(ctx context.Context, roles []access.Role) bool {
	return c.Open || slices.ContainsFunc(access.Of(ctx).Roles, func(role access.Role) bool { return slices.Contains(roles, role) })
}

// done are the sentences about what a form did, by the value of the parameter done.
var done = map[string]string{
	"cancelled":  "The order is cancelled.",
	"redriven":   "The job's work has a new job.",
	"unredriven": "The job's work was not given a new job; its redrives say why.",
	"resolved":   "The dead letter is resolved.",
	"nothing":    "There was no open dead letter: nothing was done.",
	"reopened":   "The dead letter is open again.",
}

// doneText says what the form did that redirected to the page.
func doneText(r *http.Request) string {
	text := done[r.URL.Query().Get("done")]

	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && text != "" && n > 1 {
		text += " (" + strconv.Itoa(n) + ")"
	}

	return text
}

// formID is the id of a form, which makes that it acts once however often it is sent.
func formID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PostFormValue("form"))
	if err != nil {
		return id, order.Errorf(order.Invalid, "The form has no id; reload the page, and send it again.")
	}

	return id, nil
}

// pathID is the UUID in a path.
func pathID(r *http.Request, name string) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue(name))
	if err != nil {
		return id, order.Errorf(order.NotFound, "%q is no id; an id is a UUID.", r.PathValue(name))
	}

	return id, nil
}
