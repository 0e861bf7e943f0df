// Package access decides who may use which route: each route names its roles, and a
// request has the roles of its token.
package access

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/problem"
	"orders/order"
)

// A Role is what a token may do.
type Role string

// The roles. Anyone is no role of a token: a route with it asks for none.
const (
	Client   Role = "client"   // place, read, cancel and pay orders; read the catalogue
	Stock    Role = "stock"    // products and their stock
	Viewer   Role = "viewer"   // read everything
	Operator Role = "operator" // read and do everything
	Anyone   Role = "anyone"
)

// Roles are those that a token may have.
func Roles() []Role { return []Role{Client, Stock, Viewer, Operator} }

// Who may use routes of a kind.
var (
	ToOrder     = []Role{Client, Operator}
	ToRead      = []Role{Client, Viewer, Operator}
	ToCatalogue = []Role{Client, Stock, Viewer, Operator}
	ToStock     = []Role{Stock, Operator}
	ToReadStock = []Role{Stock, Viewer, Operator}
	ToWatch     = []Role{Viewer, Operator}
	ToOperate   = []Role{Operator}
	Public      = []Role{Anyone}
)

// A Principal is who sends a request.
type Principal struct {
	Name    string // the actor of what the request does
	KnownBy order.Identification
	Roles   []Role
}

// nobody is the principal where no token is asked for.
var nobody = Principal{Name: "api", KnownBy: order.ByInsecure}

// May tells whether the principal may use a route for the roles. Pages leave out what a
// reader may not do.
func (p Principal) May(roles []Role) bool {
	return p.KnownBy == order.ByInsecure ||
		slices.ContainsFunc(roles, func(role Role) bool { return role == Anyone || slices.Contains(p.Roles, role) })
}

type contextKey struct{}

// Of is the principal of a request.
func Of(ctx context.Context) Principal {
	if p, ok := ctx.Value(contextKey{}).(Principal); ok {
		return p
	}

	return nobody
}

// Actor is who acts by a request.
func Actor(ctx context.Context) order.Actor { return Of(ctx).actor() }

func (p Principal) actor() order.Actor { return order.Actor{Name: p.Name, KnownBy: p.KnownBy} }

// ClientOf is whose the keys and references of a request are: two clients may use the same ones.
// Without tokens there are no clients.
func ClientOf(ctx context.Context) string {
	if p := Of(ctx); p.KnownBy != order.ByInsecure {
		return p.Name
	}

	return ""
}

// Authorize returns the request's context with its principal, or why the request may not
// use a route for the roles. Without a keyring, no token is asked for. A route without
// roles is nobody's.
func (k *Keyring) Authorize(r *http.Request, roles []Role) (context.Context, *problem.Problem) {
	ctx := r.Context()

	switch {
	case k == nil:
		return ctx, nil
	case slices.Contains(roles, Anyone): // it does not matter who it is
		return context.WithValue(ctx, contextKey{}, Principal{}), nil
	}

	p, refusal := k.identify(r)

	switch {
	case refusal != nil:
		return ctx, refusal
	case !p.May(roles):
		return ctx, problem.New(ctx, problem.Forbidden, "This needs a token with the role "+words(roles)+".")
	}

	return context.WithValue(ctx, contextKey{}, p), nil
}

// identify finds out who sends a request. A user that the proxy names comes first: oauth2-proxy
// may send a token of its own with it. A token comes before a session: its sender means it.
func (k *Keyring) identify(r *http.Request) (Principal, *problem.Problem) {
	if user, named := k.proxy.user(r); named {
		return user, nil
	}

	if text, has := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); has {
		return k.bearer(r, strings.TrimSpace(text))
	}

	id, err := k.sessions.tokenOf(r) //nolint:contextcheck // it has that of r
	if err != nil {
		return Principal{}, problem.Of(r.Context(), err)
	}

	p, known, err := k.byID(r.Context(), id)
	if err != nil {
		return p, problem.Of(r.Context(), err)
	}

	if !known {
		return p, problem.New(r.Context(), problem.Unauthenticated, "")
	}

	p.KnownBy = order.BySession

	return p, nil
}

// bearer finds the principal of a token's text. A token that is known is good however often
// others have failed: its sender may share an address with them. Guesses are slowed down so that
// they cost nothing; a token's 130 bits are what makes them useless.
func (k *Keyring) bearer(r *http.Request, text string) (Principal, *problem.Problem) {
	p, id, err := k.find(r.Context(), text)

	switch {
	case err != nil:
		return p, problem.Of(r.Context(), err)
	case id != "":
		return p, nil
	}

	if wait := k.failures.count(k.proxy.sender(r)); wait > 0 {
		return p, problem.New(r.Context(), problem.TooManyFailures, "").After(wait)
	}

	return p, problem.New(r.Context(), problem.Unauthenticated, "The token is not known, is revoked or has expired; ask for another one.")
}

// words are the roles in a sentence.
func words(roles []Role) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}

	return strings.Join(names, " or ")
}

// Check is the middleware of operations.
func (k *Keyring) Check(ctx huma.Context, next func(huma.Context)) {
	if k == nil {
		next(ctx)

		return
	}

	r, w := humago.Unwrap(ctx)

	with, refusal := k.Authorize(r, RolesOf(ctx.Operation()))
	if refusal != nil {
		refuse(w, refusal)

		return
	}

	next(huma.WithContext(ctx, with))
}

const rolesKey = "roles"

// Declare writes into an operation who may use it.
func Declare(op *huma.Operation, roles []Role) {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}

	op.Metadata[rolesKey] = roles
	op.Security = []map[string][]string{}

	if !slices.Contains(roles, Anyone) {
		op.Security = append(op.Security, map[string][]string{Scheme: {}}) // a scheme of this type has no scopes
		op.Description += " Role: " + words(roles) + "."
	}
}

// RolesOf are the roles that an operation names.
func RolesOf(op *huma.Operation) []Role {
	roles, _ := op.Metadata[rolesKey].([]Role)

	return roles
}

// Scheme is the name of the security scheme in the document.
const Scheme = "token"

// Require serves a route for the roles. It leads a browser to the login page.
func (k *Keyring) Require(roles []Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, refusal := k.Authorize(r, roles)
		if refusal != nil && refusal.Status == http.StatusUnauthorized && isPage(r) {
			toLogin(w, r)

			return
		}

		if refusal != nil {
			refuse(w, refusal)

			return
		}

		next.ServeHTTP(w, r.WithContext(ctx)) //nolint:contextcheck // it is that of r, with a value
	})
}

// refuse writes the refusal. A browser that has a token to offer is asked for it.
func refuse(w http.ResponseWriter, p *problem.Problem) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="orders"`)
	}

	p.Write(w)
}
