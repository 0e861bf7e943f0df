// Package token has the commands about who may use the API.
package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db/action"
	"orders/db/report"
	"orders/db/token"
	"orders/order"
)

// Cmd makes, lists and revokes tokens.
type Cmd struct {
	Create createTokenCmd `cmd:"" help:"Make a token, and print its text once."`
	List   listTokensCmd  `cmd:"" help:"List the tokens, without their texts."`
	Revoke revokeTokenCmd `cmd:"" help:"Make a token useless, within two seconds."`
}

type createTokenCmd struct {
	Name    string        `required:"" help:"Whose it is: the actor of what is done with it."`
	Role    []access.Role `required:"" help:"What it may do: ${roles}. Several are separated by commas."`
	Expires time.Duration `placeholder:"DURATION" help:"How long it can be used, for example 2160h; without it, until it is revoked."`
}

const maxTokenName = 100

// Validate reports a mistake in the flags.
func (c createTokenCmd) Validate() error {
	for _, role := range c.Role {
		if !slices.Contains(access.Roles(), role) {
			return fmt.Errorf("--role: %q is not one of %s", role, Roles())
		}
	}

	if name := strings.TrimSpace(c.Name); name == "" || name != c.Name || len(name) > maxTokenName {
		return fmt.Errorf("--name: write 1 to %d characters, without spaces around them", maxTokenName)
	}

	if c.Expires < 0 {
		return errors.New("--expires: write a duration that is not negative, for example 2160h")
	}

	return nil
}

// Roles are the names of all roles, separated by commas.
func Roles() string {
	return strings.Join(shell.Each(access.Roles(), func(r access.Role) string { return string(r) }), ",")
}

// Run prints the text on standard output and what it is on standard error, so that a script
// can keep the text.
func (c createTokenCmd) Run(s *shell.Shell) error {
	text := token.New()
	roles := shell.Each(c.Role, func(r access.Role) string { return string(r) })
	t := token.Token{Name: c.Name, Roles: roles, CreatedBy: shell.Actor().Name}

	err := s.InTx(func(tx pgx.Tx) (err error) {
		if t, err = token.Create(s.Ctx, tx, text, t, c.Expires); err != nil {
			return err
		}

		return action.Record(s.Ctx, tx, Act(action.CreateToken, shell.Actor(), t))
	})
	if err != nil {
		return shell.Refusal(err)
	}

	fmt.Fprintf(s.Stderr, "Token %s of %s, roles %s. Its text is shown only now; send it as Authorization: Bearer TOKEN.\n",
		t.ID, t.Name, strings.Join(t.Roles, ", "))

	_, err = fmt.Fprintln(s.Stdout, text)

	return err
}

type listTokensCmd struct{}

// Run lists the tokens.
func (listTokensCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		tokens, err := token.List(s.Ctx, pool)
		if err != nil {
			return err
		}

		t := report.Table{Columns: []string{
			"id", "name", "roles", "created_at", "created_by", "expires_at", "last_used_at", "revoked_at", "revoked_by",
		}}

		for _, k := range tokens {
			t.Rows = append(t.Rows, []any{
				k.ID, k.Name, strings.Join(k.Roles, " "), k.CreatedAt, k.CreatedBy,
				output.ValueOf(k.ExpiresAt), output.ValueOf(k.LastUsedAt), output.ValueOf(k.RevokedAt), output.ValueOf(k.RevokedBy),
			})
		}

		return s.PrintTable(t)
	})
}

type revokeTokenCmd struct {
	Token string `arg:"" help:"Its id or its name."`
}

// Run revokes the token.
func (c revokeTokenCmd) Run(s *shell.Shell) error {
	var revoked token.Token

	err := s.InTx(func(tx pgx.Tx) (err error) {
		if revoked, err = token.Revoke(s.Ctx, tx, c.Token, shell.Actor().Name); err != nil {
			return err
		}

		return action.Record(s.Ctx, tx, Act(action.RevokeToken, shell.Actor(), revoked))
	})
	if err != nil {
		return shell.Refusal(err)
	}

	_, err = fmt.Fprintf(s.Stdout, "Token %s of %s is revoked.\n", revoked.ID, revoked.Name)

	return err
}

// Act is what somebody does to a token.
func Act(name action.Name, by order.Actor, t token.Token) action.Action {
	return action.Action{
		By: by, Name: name, Target: action.Target{Kind: action.Token, ID: t.ID}, Detail: map[string]any{"name": t.Name, "roles": t.Roles},
	}
}

// Check refuses the text of a token that was not made by create and could be guessed.
func Check(text string) error {
	if len(text) < token.MinLength {
		return fmt.Errorf("it is too short to be secret; write %d characters or more, as `openssl rand -hex 32` does", token.MinLength)
	}

	return nil
}
