package page

import (
	"bytes"
	"maps"
	"net/http"
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

// A View is what a template shows.
type View struct {
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

// show serves a page.
func (s *Site) show(read Read) http.Handler {
	return middleware.Gzip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := read(r)
		if err != nil {
			s.refuse(w, r, problem.Of(r.Context(), err))

			return
		}

		if v.Redirect != "" {
			http.Redirect(w, r, v.Redirect, http.StatusSeeOther)

			return
		}

		v.Done = doneText(r)
		s.Render(w, r, http.StatusOK, v)
	}))
}

// do serves a form.
func (s *Site) do(act, from Read) http.Handler {
	return middleware.ReadWithin(formPatience, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)

		if err := r.ParseForm(); err != nil {
			s.refuse(w, r, problem.New(r.Context(), problem.MalformedBody, "The form did not arrive; send it again."))

			return
		}

		v, err := act(r)

		switch {
		case err != nil:
			s.refuseForm(w, r, problem.Of(r.Context(), err), from)
		case v.Redirect != "":
			http.Redirect(w, r, v.Redirect, http.StatusSeeOther)
		default:
			s.Render(w, r, http.StatusOK, v)
		}
	}))
}

// refuseForm shows the page with the form again.
func (s *Site) refuseForm(w http.ResponseWriter, r *http.Request, refusal *problem.Problem, from Read) {
	v, err := from(r)
	if err != nil || refusal.Status >= http.StatusInternalServerError {
		s.refuse(w, r, refusal)

		return
	}

	v.Error = refusal.Detail
	s.Render(w, r, refusal.Status, v)
}

const formPatience = 10 * time.Second // for the body of a form to arrive

// refuse shows a problem as a page.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	maps.Copy(w.Header(), p.GetHeaders())

	s.Render(w, r, p.Status, View{Template: "problem", Title: p.Title, Data: p})
}

// Render writes a page.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, status int, v View) {
	v.Who, v.Open, v.RiverUI, v.Version, v.Assets = access.Of(r.Context()), s.Open, s.RiverUI, s.Version, assetVersion
	v.May = s.Open || access.Of(r.Context()).May(access.ToOperate)
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

// done are the sentences about what a form did, by the value of the parameter done.
var done = map[string]string{
	"cancelled":   "The order is cancelled.",
	"redriven":    "The job's work has a new job.",
	"unredriven":  "The job's work was not given a new job; its redrives say why.",
	"resolved":    "The dead letter is resolved.",
	"nothing":     "There was no open dead letter: nothing was done.",
	"reopened":    "The dead letter is open again.",
	"paused":      "The queue is paused: no job of it begins until it is resumed.",
	"resumed":     "The queue is resumed: its jobs run again.",
	"tested":      "A test event is on its way. Its answer appears below.",
	"enabled":     "Events are sent again.",
	"disabled":    "The webhook is disabled: nothing is sent until it is enabled.",
	"redelivered": "The event is sent again, with the same id.",
	"revoked":     "The token is revoked. It is useless within two seconds.",
}

// doneText says what the form did that redirected to the page.
func doneText(r *http.Request) string {
	text := done[r.URL.Query().Get("done")]

	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && text != "" && n > 1 {
		text += " (" + strconv.Itoa(n) + ")"
	}

	return text
}

// FormID is the id of a form, which makes that it acts once however often it is sent.
func FormID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PostFormValue("form"))
	if err != nil {
		return id, order.Errorf(order.Invalid, "The form has no id; reload the page, and send it again.")
	}

	return id, nil
}

// PathID is the UUID in a path.
func PathID(r *http.Request, name string) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue(name))
	if err != nil {
		return id, order.Errorf(order.NotFound, "%q is no id; an id is a UUID.", r.PathValue(name))
	}

	return id, nil
}
