package access

import (
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"orders/api/problem"
	"orders/db"
	"orders/db/action"
	"orders/order"
)

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

// home is where a login leads that does not say where to.
const home = "/"

const maxForm = 8 << 10 // bytes

type loginView struct {
	Error, Next string
	Name, Roles string // of who has logged in already
}

// LoginPage asks for a token, or says who has logged in.
func (k *Keyring) LoginPage(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))

	if k == nil { // nobody is asked for a token
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath has checked it

		return
	}

	p, refusal := k.identify(r)
	if refusal != nil {
		p = Principal{}
	}

	show(w, http.StatusOK, loginView{Next: next, Name: p.Name, Roles: words(p.Roles)})
}

// Login begins a session with the token of the form.
func (k *Keyring) Login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	next := localPath(r.PostFormValue("next"))

	if k == nil {
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath has checked it

		return
	}

	sender := k.proxy.sender(r)

	if wait := k.failures.wait(sender); wait > 0 {
		refusal := problem.New(r.Context(), problem.TooManyFailures, "").After(wait)
		refusal.SetHeaders(w.Header())
		show(w, refusal.Status, loginView{Next: next, Error: refusal.Detail})

		return
	}

	p, id, err := k.find(r.Context(), strings.TrimSpace(r.PostFormValue("token")))

	switch {
	case err != nil:
		problem.Of(r.Context(), err).Write(w)
	case id == "":
		k.failures.count(sender)
		show(w, problem.New(r.Context(), problem.Unauthenticated, "").Status, loginView{
			Next: next, Error: "The token is not known, is revoked or has expired.",
		})
	default:
		p.KnownBy = order.BySession

		if err := k.begin(w, r, p, id); err != nil {
			problem.Of(r.Context(), err).Write(w)

			return
		}

		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath has checked it
	}
}

// begin begins a session, and records that.
func (k *Keyring) begin(w http.ResponseWriter, r *http.Request, p Principal, tokenID string) error {
	if err := k.record(r.Context(), action.LogIn, p, tokenID); err != nil {
		return err
	}

	return k.sessions.begin(w, r, tokenID) //nolint:contextcheck // it has that of r
}

// Logout ends the session of a request.
func (k *Keyring) Logout(w http.ResponseWriter, r *http.Request) {
	if k != nil {
		if err := k.logout(w, r); err != nil {
			problem.Of(r.Context(), err).Write(w)

			return
		}
	}

	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (k *Keyring) logout(w http.ResponseWriter, r *http.Request) error {
	id, err := k.sessions.tokenOf(r) //nolint:contextcheck // it has that of r
	if err != nil {
		return err
	}

	p, known, err := k.byID(r.Context(), id)
	if err != nil {
		return err
	}

	if known {
		p.KnownBy = order.BySession

		if err := k.record(r.Context(), action.LogOut, p, id); err != nil {
			return err
		}
	}

	return k.sessions.end(w, r) //nolint:contextcheck // it has that of r
}

func (k *Keyring) record(ctx context.Context, name action.Name, p Principal, tokenID string) error {
	return db.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		return action.Record(ctx, tx, action.Action{By: p.actor(), Name: name, Target: action.Target{Kind: action.Token, ID: tokenID}})
	})
}

func show(w http.ResponseWriter, status int, view loginView) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	loginPage.Execute(w, view) //nolint:errcheck // the client has gone
}

// localPath is a path of this server. Anything else would make the login page a redirect to
// any site (an open redirect). A browser reads a backslash as a slash, and leaves out tabs.
func localPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") ||
		strings.ContainsAny(text, "\\\t\r\n") || strings.HasPrefix(u.Path, "//") {
		return home
	}

	return text
}

// isPage tells whether a browser asks for a page, and not a program or a script of a page.
func isPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Authorization") == "" &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// again makes a browser load a page again, from this site.
const again = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Orders</title>` +
	`<meta http-equiv="refresh" content="0"></head><body><p><a href="">Continue</a></p></body></html>`

// toLogin leads a browser to the login page. A browser that follows a link of another site
// leaves out the cookie, which is SameSite=Strict, even if it has logged in: it loads the page
// again first, from this site.
func toLogin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")

	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(again))

		return
	}

	http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
}
