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
func Actor(ctx context.Context) order.Actor {
	p := Of(ctx)

	return order.Actor{Name: p.Name, KnownBy: p.KnownBy}
}

// Authorize returns the request's context with its principal, or why the request may not
// use a route for the roles. Without a keyring, no token is asked for. A route without
// roles is nobody's.
func (k *Keyring) Authorize(r *http.Request, roles []Role) (context.Context, *problem.Problem) {
	ctx := r.Context()

	if k == nil || slices.Contains(roles, Anyone) {
		return ctx, nil
	}

	text, has := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !has {
		return ctx, problem.New(ctx, problem.Unauthenticated, "")
	}

	p, known, err := k.find(ctx, strings.TrimSpace(text))

	switch {
	case err != nil:
		return ctx, problem.Of(ctx, err)
	case !known:
		return ctx, problem.New(ctx, problem.Unauthenticated, "The token is not known, is revoked or has expired; ask for another one.")
	case !p.May(roles):
		return ctx, problem.New(ctx, problem.Forbidden, "This needs a token with the role "+words(roles)+".")
	}

	return context.WithValue(ctx, contextKey{}, p), nil
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

// Require serves a route for the roles.
func (k *Keyring) Require(roles []Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, refusal := k.Authorize(r, roles)
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
