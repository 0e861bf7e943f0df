package access

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/time/rate"

	"orders/db"
	"orders/db/token"
	"orders/order"
)

// readEvery is how soon a revoked token is refused. A new token is found at once.
const readEvery = 2 * time.Second

// A request with a token that is not known makes the keyring read the table, but not more
// often than this: guessing must not load the database.
const (
	missEvery = 200 * time.Millisecond
	missBurst = 5
)

// A Keyring has all tokens that can be used, so that a request costs no query.
type Keyring struct {
	pool   *pgxpool.Pool
	log    *slog.Logger
	misses *rate.Limiter

	sessions sessions
	proxy    *Proxy // nil for none
	failures failures

	mu     sync.Mutex
	tokens map[string]token.Token // nil until they were read
	used   map[string]bool
}

// NewKeyring makes a keyring. Run keeps it up to date.
func NewKeyring(pool *pgxpool.Pool, log *slog.Logger) *Keyring {
	return &Keyring{
		pool: pool, log: log, misses: rate.NewLimiter(rate.Every(missEvery), missBurst), used: map[string]bool{},
		sessions: newSessions(pool), failures: failures{by: map[netip.Prefix]*rate.Limiter{}},
	}
}

// Trust lets a proxy name users. Call it before the keyring is used.
func (k *Keyring) Trust(p *Proxy) { k.proxy = p }

// Run reads the tokens again and again until ctx ends. If the database is away, the tokens
// stay as they are: no request can do anything then.
func (k *Keyring) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := errors.Join(k.read(ctx), k.recordUse(ctx)); err != nil && ctx.Err() == nil {
			k.log.Warn("the tokens were not read", "error", err)
		}

		select {
		case <-ctx.Done():
		case <-time.After(readEvery):
		}
	}
}

func (k *Keyring) read(ctx context.Context) error {
	usable, err := token.Usable(ctx, k.pool)
	if err != nil {
		return err
	}

	tokens := map[string]token.Token{}
	for _, t := range usable {
		tokens[t.ID] = t
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	k.tokens = tokens

	return nil
}

func (k *Keyring) recordUse(ctx context.Context) error {
	k.mu.Lock()
	ids := slices.Collect(maps.Keys(k.used))
	k.used = map[string]bool{}
	k.mu.Unlock()

	return token.Used(ctx, k.pool, ids)
}

// find returns the principal of a token's text, and the token's id; an empty id if it is not
// known. It fails if the tokens cannot be read.
func (k *Keyring) find(ctx context.Context, text string) (p Principal, id string, err error) {
	if p, id = k.look(text); id != "" {
		return p, id, nil
	}

	if !k.empty() && !k.misses.Allow() {
		return p, "", nil
	}

	if err := k.read(ctx); err != nil {
		return p, "", db.Error(err)
	}

	p, id = k.look(text)

	return p, id, nil
}

func (k *Keyring) empty() bool {
	k.mu.Lock()
	defer k.mu.Unlock()

	return k.tokens == nil
}

func (k *Keyring) look(text string) (Principal, string) {
	id := token.IDOf(text)

	k.mu.Lock()
	defer k.mu.Unlock()

	t, found := k.tokens[id]
	if !found || !t.Is(text) {
		return Principal{}, ""
	}

	k.used[id] = true

	return principalOf(t), id
}

// byID returns the principal of the token of a session.
func (k *Keyring) byID(ctx context.Context, id string) (p Principal, known bool, err error) {
	if k.empty() {
		if err := k.read(ctx); err != nil {
			return p, false, db.Error(err)
		}
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	t, found := k.tokens[id]
	if !found || t.ExpiresAt != nil && time.Now().After(*t.ExpiresAt) {
		return p, false, nil
	}

	k.used[id] = true

	return principalOf(t), true, nil
}

func principalOf(t token.Token) Principal {
	p := Principal{Name: t.Name, KnownBy: order.ByToken}
	for _, role := range t.Roles {
		p.Roles = append(p.Roles, Role(role))
	}

	return p
}
