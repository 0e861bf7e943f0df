package access

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db/login"
)

const (
	sessionCookie   = "orders_session"
	sessionLifetime = 12 * time.Hour // after a login, however busy the session is
	tokenKey        = "token"        // of the session's data: the id of its token
)

// sessions are those of browsers that have logged in. A session has the id of a token and is
// good as long as the keyring has that token.
type sessions struct{ manager *scs.SessionManager }

func newSessions(pool *pgxpool.Pool) sessions {
	manager := scs.New()
	manager.Store = login.NewStore(pool)
	manager.Lifetime = sessionLifetime
	manager.HashTokenInStore = true

	return sessions{manager: manager}
}

// load reads the session of a request; a new one if it has none.
func (s sessions) load(r *http.Request) (context.Context, error) {
	text := ""
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		text = cookie.Value
	}

	return s.manager.Load(r.Context(), text) //nolint:wrapcheck // the store says what it was doing
}

// tokenOf is the id of the token with which the sender of a request has logged in; empty for
// none.
func (s sessions) tokenOf(r *http.Request) (string, error) {
	if len(r.CookiesNamed(sessionCookie)) == 0 {
		return "", nil
	}

	ctx, err := s.load(r)
	if err != nil {
		return "", err
	}

	return s.manager.GetString(ctx, tokenKey), nil
}

// begin begins a session with a token. The text in the cookie is a new one, so that a text
// that somebody else has put into the browser is worth nothing.
func (s sessions) begin(w http.ResponseWriter, r *http.Request, tokenID string) error {
	ctx, err := s.load(r)
	if err != nil {
		return err
	}

	if err := s.manager.RenewToken(ctx); err != nil {
		return err //nolint:wrapcheck // as above
	}

	s.manager.Put(ctx, tokenKey, tokenID)

	text, endsAt, err := s.manager.Commit(ctx)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}

	http.SetCookie(w, cookie(r, text, int(time.Until(endsAt).Seconds())))

	return nil
}

// end ends the session of a request.
func (s sessions) end(w http.ResponseWriter, r *http.Request) error {
	ctx, err := s.load(r)
	if err != nil {
		return err
	}

	http.SetCookie(w, cookie(r, "", -1))

	return s.manager.Destroy(ctx) //nolint:wrapcheck // as above
}

func cookie(r *http.Request, text string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // dev has no TLS
		Name: sessionCookie, Value: text, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: isSecure(r),
	}
}

// isSecure tells whether the browser has sent the request by TLS, which a proxy in front ends. A
// browser says so itself when it sends a form. What others claim changes only their own cookie.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") || r.Header.Get("X-Forwarded-Proto") == "https"
}
