package access_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/db"
	"orders/db/dbtest"
	"orders/db/schema"
	"orders/db/token"
	"orders/order"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }

func create(t *testing.T, pool *pgxpool.Pool, name string, lifetime time.Duration) (text string, err error) {
	t.Helper()

	text = token.New()

	return text, db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := token.Create(t.Context(), tx, text, token.Token{Name: name, Roles: []string{"viewer"}, CreatedBy: "test"}, lifetime)

		return err
	})
}

// status is that of the refusal of a request with the token; 0 for none.
func status(t *testing.T, k *access.Keyring, text string) int {
	t.Helper()

	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+text)

	if _, refusal := k.Authorize(r, access.ToWatch); refusal != nil {
		return refusal.Status
	}

	return 0
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()

	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// A new token is good at once. One that is revoked, or expires, is soon refused.
func TestATokensLife(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	k := access.NewKeyring(pool, slog.New(slog.DiscardHandler))

	ctx, end := context.WithCancel(t.Context())
	defer end()

	go k.Run(ctx)

	lasting, err := create(t, pool, "alice", 0)
	if err != nil {
		t.Fatal(err)
	}

	short, err := create(t, pool, "bob", time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}

	if got := status(t, k, lasting); got != 0 {
		t.Errorf("a new token: %d", got)
	}

	await(t, "the token that has expired is refused", func() bool { return status(t, k, short) == 401 })

	if _, err := create(t, pool, "alice", 0); order.CodeOf(err) != order.StateConflict {
		t.Errorf("a second token of the name: %v", err)
	}

	await(t, "the use is recorded", func() (used bool) {
		err := pool.QueryRow(t.Context(), `SELECT last_used_at IS NOT NULL FROM tokens WHERE name = 'alice'`).Scan(&used)

		return err == nil && used
	})

	if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		return dbtest.Err(token.Revoke(t.Context(), tx, "alice", "test"))
	}); err != nil {
		t.Fatal(err)
	}

	await(t, "the revoked token is refused", func() bool { return status(t, k, lasting) == 401 })

	if again, err := create(t, pool, "alice", 0); err != nil || status(t, k, again) != 0 {
		t.Errorf("a token in place of the revoked one: %v", err)
	}

	var kept int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM tokens WHERE hash::text LIKE '%' || $1 || '%' OR name LIKE '%' || $1 || '%'`, lasting).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("the table has the text of a token: %d, %v", kept, err)
	}
}

// Guessing does not load the database, and a token that is known does not ask it.
func TestGuessingReadsTheTableRarely(t *testing.T) {
	t.Parallel()

	config, err := db.Config(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}

	counter := dbtest.CountOn(config)

	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	text, err := create(t, pool, "alice", 0)
	if err != nil {
		t.Fatal(err)
	}

	k := access.NewKeyring(pool, slog.New(slog.DiscardHandler))
	if got := status(t, k, text); got != 0 {
		t.Fatal(got)
	}

	counter.Reset()

	const guesses = 5_000

	for range guesses {
		if guess := status(t, k, token.New()); guess != 401 && guess != 429 || status(t, k, text) != 0 {
			t.Fatal("a guess was right, or the token was refused")
		}
	}

	if n := counter.Statements(); n > guesses/10 {
		t.Errorf("%d statements for %d guesses", n, guesses)
	}
}

// If the tokens cannot be read, a request is not refused as if its token were wrong.
func TestWithoutADatabaseNobodyIsRefusedForGood(t *testing.T) {
	t.Parallel()

	pool, err := db.Open(t.Context(), "postgres://127.0.0.1:1/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	k := access.NewKeyring(pool, slog.New(slog.DiscardHandler))
	if got := status(t, k, token.New()); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
}
