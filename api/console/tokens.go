package console

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/console/page"
	"orders/db"
	"orders/db/action"
	"orders/db/token"
	"orders/order"
)

type tokensPage struct {
	Tokens []tokenRow
	Roles  []roleRow
	Text   string // of the token that the form may make; it is none until then
	Made   *token.Token
	Name   string // what the form had
	Days   string
}

// A tokenRow is a token with its state.
type tokenRow struct {
	token.Token

	State string
}

// A roleRow is a role that a token may have.
type roleRow struct {
	Role  access.Role
	Means string
	Is    bool // the form had it
}

var roleWords = map[access.Role]string{
	access.Client:   "places, reads, cancels and pays orders",
	access.Stock:    "changes products and their stock",
	access.Viewer:   "reads everything",
	access.Operator: "reads and does everything",
}

func (c *console) tokens(r *http.Request) (page.View, error) {
	p, err := c.readTokens(r)
	p.Text = token.New()

	return page.View{Template: "tokens", Title: "Tokens", Section: "tokens", Data: p}, err
}

func (c *console) readTokens(r *http.Request) (p tokensPage, err error) {
	tokens, err := token.List(r.Context(), c.Pool)
	if err != nil {
		return p, err
	}

	now := time.Now()

	for _, t := range tokens {
		row := tokenRow{t, "active"}

		switch {
		case t.RevokedAt != nil:
			row.State = "revoked"
		case t.ExpiresAt != nil && t.ExpiresAt.Before(now):
			row.State = "expired"
		}

		p.Tokens = append(p.Tokens, row)
	}

	p.Name, p.Days = page.Text(r, "name"), page.Text(r, "days")
	for _, role := range access.Roles() {
		p.Roles = append(p.Roles, roleRow{role, roleWords[role], slices.Contains(r.Form["role"], string(role))})
	}

	return p, nil
}

const (
	maxTokenName = 100
	maxTokenDays = 3650
	day          = 24 * time.Hour
)

// made is how the texts of tokens look that this program makes.
var made = regexp.MustCompile(`^` + regexp.QuoteMeta(token.Prefix) + `[A-Z2-7]{26}$`)

// newToken is the token that a form asks for.
func newToken(r *http.Request) (text string, t token.Token, lifetime time.Duration, err error) {
	t = token.Token{Name: page.Text(r, "name"), CreatedBy: access.Of(r.Context()).Name}
	if t.Name == "" || len(t.Name) > maxTokenName {
		return "", t, 0, order.Errorf(order.Invalid, "Say whose token it is, in 1 to %d characters.", maxTokenName)
	}

	for _, role := range access.Roles() {
		if slices.Contains(r.PostForm["role"], string(role)) {
			t.Roles = append(t.Roles, string(role))
		}
	}

	if len(t.Roles) == 0 {
		return "", t, 0, order.Errorf(order.Invalid, "Choose one role or more: a token without a role may do nothing.")
	}

	if days := page.Text(r, "days"); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > maxTokenDays {
			return "", t, 0, order.Errorf(order.Invalid, "The days must be from 1 to %d, or empty if it does not expire.", maxTokenDays)
		}

		lifetime = time.Duration(n) * day
	}

	if text = r.PostFormValue("text"); !made.MatchString(text) {
		return "", t, 0, order.Errorf(order.Invalid, "The form has no token; reload the page, and send it again.")
	}

	return text, t, lifetime, nil
}

// createToken makes the token whose text the form had from this program, and shows the text. A
// form that is sent twice makes one token, and shows it each time: else its text would be lost.
func (c *console) createToken(r *http.Request) (page.View, error) {
	ctx := r.Context()
	text, t, lifetime, err := newToken(r)
	if err != nil {
		return page.View{}, err
	}

	err = db.InTx(ctx, c.Pool, func(tx pgx.Tx) error {
		created, err := token.Create(ctx, tx, text, t, lifetime)
		if err != nil {
			return err
		}

		t = created

		return action.Record(ctx, tx, actOnToken(r, action.CreateToken, t))
	})
	if err != nil && order.CodeOf(err) != order.StateConflict {
		return page.View{}, err
	}

	p, readErr := c.readTokens(r)
	if readErr != nil {
		return page.View{}, readErr
	}

	at := slices.IndexFunc(p.Tokens, func(t tokenRow) bool { return t.Is(text) })
	if at < 0 {
		return page.View{}, err // the name is taken
	}

	p.Made, p.Text = &p.Tokens[at].Token, text

	return page.View{Template: "token", Title: "New token", Section: "tokens", Data: p}, nil
}

func (c *console) revokeToken(r *http.Request) (string, error) {
	ctx := r.Context()

	return "/console/tokens?done=revoked", db.InTx(ctx, c.Pool, func(tx pgx.Tx) error {
		revoked, err := token.Revoke(ctx, tx, r.PathValue("id"), access.Of(ctx).Name)
		if err != nil {
			return err
		}

		return action.Record(ctx, tx, actOnToken(r, action.RevokeToken, revoked))
	})
}

func actOnToken(r *http.Request, name action.Name, t token.Token) action.Action {
	return action.Action{
		By: access.Actor(r.Context()), Name: name, Target: action.Target{Kind: action.Token, ID: t.ID},
		Detail: map[string]any{"name": t.Name, "roles": t.Roles},
	}
}
