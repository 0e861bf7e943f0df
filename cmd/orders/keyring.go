package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	tokens "orders/cmd/orders/token"
	"orders/db"
	"orders/db/action"
	"orders/db/token"
	"orders/order"
)

// newKeyring reads the tokens that requests need; nil if none is asked for. Without an
// operator nobody could use the service, so it says how to make one.
func newKeyring(ctx context.Context, p *program, pool *pgxpool.Pool, dev bool) (*access.Keyring, error) {
	if !p.asksForTokens(dev) {
		return nil, nil //nolint:nilnil // no keyring is a keyring
	}

	if err := addOperator(ctx, p, pool); err != nil {
		return nil, err
	}

	usable, err := token.Usable(ctx, pool)
	if err != nil {
		return nil, err
	}

	proxy, err := p.proxy()
	if err != nil {
		return nil, err
	}

	if len(usable) == 0 && proxy == nil {
		return nil, errors.New("there is no token, so nobody could use the API; make one with " +
			"`orders token create --name NAME --role operator`, or set ORDERS_OPERATOR_TOKEN (--insecure asks for none, on loopback)")
	}

	keys := access.NewKeyring(pool, p.log)
	keys.Trust(proxy)

	go keys.Run(ctx)

	return keys, nil
}

// addOperator adds the operator's token of the settings, if it is not there.
func addOperator(ctx context.Context, p *program, pool *pgxpool.Pool) error {
	text := p.OperatorToken

	if p.OperatorTokenFile != "" {
		content, err := os.ReadFile(p.OperatorTokenFile)
		if err != nil {
			return fmt.Errorf("ORDERS_OPERATOR_TOKEN_FILE: %w", err)
		}

		text = strings.TrimSpace(string(content))
		if err := tokens.Check(text); err != nil {
			return fmt.Errorf("ORDERS_OPERATOR_TOKEN_FILE: %w", err)
		}
	}

	if text == "" {
		return nil
	}

	return db.InTx(ctx, pool, func(tx pgx.Tx) error {
		by := order.Actor{Name: "ORDERS_OPERATOR_TOKEN", KnownBy: order.BySetting}

		made, isNew, err := token.Ensure(ctx, tx, text, token.Token{
			Name: "operator", Roles: []string{string(access.Operator)}, CreatedBy: by.Name,
		})
		if err != nil || !isNew {
			return err
		}

		return action.Record(ctx, tx, tokens.Act(action.CreateToken, by, made))
	})
}
