// Package token holds who may use the API: tokens with a name and roles.
//
// The text of a token is random and is shown once. The table has its SHA-256. A token has
// 130 bits of chance, so a slow hash would add nothing, and cost each request something.
package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

// Prefix makes tokens that were committed by mistake easy to find.
const Prefix = "orders_"

// MinLength is the least length of a token's text, in bytes, if it was not made by [New].
const MinLength = 32

const idLength = 12 // hexadecimal digits: two of a million tokens are alike once in 500 cases, and then the second is refused

// A Token is what the table has of a token.
type Token struct {
	ID         string
	Hash       []byte
	Name       string // the actor of what is done with it
	Roles      []string
	CreatedAt  time.Time
	CreatedBy  string
	ExpiresAt  *time.Time // nil for never
	LastUsedAt *time.Time // to the minute; nil for never
	RevokedAt  *time.Time // nil if it can be used
	RevokedBy  *string
}

// New makes the text of a token.
func New() string { return Prefix + rand.Text() }

// IDOf is the id of the token with the text.
func IDOf(text string) string {
	hash := sha256.Sum256([]byte(text))

	return hex.EncodeToString(hash[:])[:idLength]
}

// Is tells whether the text is that of the token, in a time that does not depend on the text.
func (t Token) Is(text string) bool {
	hash := sha256.Sum256([]byte(text))

	return subtle.ConstantTimeCompare(hash[:], t.Hash) == 1
}

const columns = `id, hash, name, roles, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by`

// Create writes the token with the text, which expires after lifetime; 0 for never. It returns [order.StateConflict] if a token that
// can be used has the name.
func Create(ctx context.Context, tx pgx.Tx, text string, t Token, lifetime time.Duration) (Token, error) {
	hash := sha256.Sum256([]byte(text))

	rows, err := tx.Query(ctx, `
		INSERT INTO tokens (id, hash, name, roles, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, CASE WHEN $6::interval > '0' THEN now() + $6::interval END)
		ON CONFLICT DO NOTHING
		RETURNING `+columns, IDOf(text), hash[:], t.Name, t.Roles, t.CreatedBy, lifetime)
	if err != nil {
		return Token{}, fmt.Errorf("create token: %w", err)
	}

	created, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Token])
	if errors.Is(err, pgx.ErrNoRows) {
		return Token{}, order.Errorf(order.StateConflict,
			"A token named %q exists; revoke it first, or take another name.", t.Name)
	}

	if err != nil {
		return Token{}, fmt.Errorf("create token: %w", err)
	}

	return created, nil
}

// Ensure writes the token with the text, unless there is one with this text or this name. It
// returns whether it wrote it.
func Ensure(ctx context.Context, tx pgx.Tx, text string, t Token) (made Token, isNew bool, err error) {
	made, err = Create(ctx, tx, text, t, 0)
	if order.CodeOf(err) == order.StateConflict {
		return made, false, nil
	}

	return made, err == nil, err
}

// List returns all tokens, the newest first.
func List(ctx context.Context, q db.Querier) ([]Token, error) { return list(ctx, q, `true`) }

// Usable returns the tokens that can be used now.
func Usable(ctx context.Context, q db.Querier) ([]Token, error) {
	return list(ctx, q, `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`)
}

func list(ctx context.Context, q db.Querier, condition string) ([]Token, error) {
	rows, err := q.Query(ctx, `
		SELECT `+columns+`
		FROM tokens
		WHERE `+condition+`
		ORDER BY created_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}

	tokens, err := pgx.CollectRows(rows, pgx.RowToStructByName[Token])
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}

	return tokens, nil
}

// Revoke makes a token useless. It returns [order.NotFound] if no token that can be used has
// the id or the name.
func Revoke(ctx context.Context, tx pgx.Tx, idOrName, by string) (Token, error) {
	rows, err := tx.Query(ctx, `
		UPDATE tokens
		SET revoked_at = now(), revoked_by = $2
		WHERE revoked_at IS NULL
			AND (id = $1 OR name = $1)
		RETURNING `+columns, idOrName, by)
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}

	revoked, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Token])
	if errors.Is(err, pgx.ErrNoRows) {
		return Token{}, order.Errorf(order.NotFound, "No token that can be used is named %q; orders token list lists them.", idOrName)
	}

	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}

	return revoked, nil
}

// Used writes that the tokens are in use, at most once a minute for each.
func Used(ctx context.Context, q db.Querier, ids []string) error {
	if len(ids) == 0 {
		return nil
	}

	_, err := q.Exec(ctx, `
		UPDATE tokens
		SET last_used_at = now()
		WHERE id = ANY($1)
			AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`, ids)
	if err != nil {
		return fmt.Errorf("record use of tokens: %w", err)
	}

	return nil
}
