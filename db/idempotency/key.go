package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/pipeline"
)

// Shared is the scope of all keys but those that another client had first. A key of the release
// before is in it, and has no client: it is found whoever sends it again. The programs of the
// release before look for all keys there. So a request that is sent again is not done twice
// while the programs are replaced, one by one.
const Shared = "orders"

// OwnScope is the scope of a client's keys that another client had first.
func OwnScope(client string) string { return Shared + "/" + client }

// An ID is a key of a client.
type ID struct{ Client, Key string }

func (r Request) id() ID { return ID{Client: r.Client, Key: r.Key} }

// ErrPruned says that a key was pruned at the moment of its last use. The request can be sent
// again.
var ErrPruned = errors.New("idempotency key was not free, and then not found: it was pruned in between")

// claim writes the keys of requests, each once, and returns the rows of those that were not free. It
// waits for a transaction that is writing one of the keys.
func claim(ctx context.Context, tx pgx.Tx, requests []Request) (map[ID]Record, error) {
	earlier, err := claimIn(ctx, tx, requests, func(Request) string { return Shared })
	if err != nil {
		return nil, err
	}

	var foreign []Request

	for _, r := range requests {
		if earlier[r.id()].Foreign {
			foreign = append(foreign, r)
			delete(earlier, r.id())
		}
	}

	own, err := claimIn(ctx, tx, foreign, func(r Request) string { return OwnScope(r.Client) })
	if err != nil {
		return nil, err
	}

	for _, first := range own {
		if first.Foreign {
			return nil, ErrPruned
		}
	}

	maps.Copy(earlier, own)

	return earlier, nil
}

func claimIn(ctx context.Context, tx pgx.Tx, requests []Request, scope func(Request) string) (map[ID]Record, error) {
	earlier := map[ID]Record{}
	if len(requests) == 0 {
		return earlier, nil
	}

	n := len(requests)
	scopes, clients, keys := make([]string, n), make([]string, n), make([]string, n)
	operations, hashes := make([]string, n), make([][]byte, n)

	for i, r := range requests {
		scopes[i], clients[i], keys[i], operations[i], hashes[i] = scope(r), r.Client, r.Key, r.Operation, r.Hash
	}

	// In key order: two transactions that claim the same keys must not wait for each other. A key that the client has in
	// its own scope is its key as long as that row is there, even if the other client's is gone.
	rows, err := tx.Query(ctx, `
		INSERT INTO idempotency_keys (scope, client, key, operation, request_hash)
		SELECT n.scope, nullif(n.client, ''), n.key, n.operation, n.request_hash
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) AS n (scope, client, key, operation, request_hash)
		WHERE n.client = ''
			OR n.scope <> 'orders'
			OR NOT EXISTS (SELECT FROM idempotency_keys AS own WHERE own.scope = 'orders/' || n.client AND own.key = n.key OFFSET 0)
		ORDER BY n.scope, n.key
		ON CONFLICT DO NOTHING
		RETURNING coalesce(client, ''), key`, scopes, clients, keys, operations, hashes)
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	claimed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ID])
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}

	left := map[ID]bool{}
	for _, r := range requests {
		left[r.id()] = true
	}

	for _, id := range claimed {
		delete(left, id)
	}

	if earlier, err = Find(ctx, tx, slices.Collect(maps.Keys(left))); err == nil && len(earlier) != len(left) {
		err = ErrPruned
	}

	return earlier, err
}

// Find reads the rows of those of the keys that are used. After a claim it must be a statement
// of its own: the claim waited for the transaction that wrote a key, but its snapshot is older.
func Find(ctx context.Context, q db.Querier, ids []ID) (map[ID]Record, error) {
	found := make(map[ID]Record, len(ids))
	if len(ids) == 0 {
		return found, nil
	}

	clients, keys := columnsOf(ids)

	// A row without a client is from before keys had one, or of a program that asks for no token. Who has no name takes
	// any row.
	rows, err := q.Query(ctx, `
		SELECT
			n.client, n.key, k.operation, k.request_hash, k.result, coalesce(k.order_id, '00000000-0000-0000-0000-000000000000'),
			n.client <> '' AND k.client <> n.client IS TRUE
		FROM unnest($1::text[], $2::text[]) AS n (client, key)
		JOIN idempotency_keys AS k ON k.scope = ANY(ARRAY['orders', 'orders/' || n.client])
			AND k.key = n.key
		ORDER BY k.scope`, clients, keys)
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	var (
		id ID
		r  Record
	)

	_, err = pgx.ForEachRow(rows, []any{&id.Client, &id.Key, &r.Operation, &r.Hash, &r.Result, &r.OrderID, &r.Foreign}, func() error {
		if first, has := found[id]; !has || first.Foreign {
			found[id] = r
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find idempotency keys: %w", err)
	}

	return found, nil
}

// keep writes the result of a request that has claimed its key.
func keep(ctx context.Context, tx pgx.Tx, r Request, result any) error {
	encoded, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}

	return pipeline.Exec(ctx, tx, "keep result", `
		UPDATE idempotency_keys
		SET result = $3
		WHERE scope = ANY(ARRAY['orders', 'orders/' || $1::text])
			AND key = $2
			AND client IS NOT DISTINCT FROM nullif($1, '')`, r.Client, r.Key, encoded)
}

// Free frees keys that this transaction has claimed.
func Free(ctx context.Context, tx pgx.Tx, ids []ID) error {
	if len(ids) == 0 {
		return nil
	}

	clients, keys := columnsOf(ids)

	return pipeline.Exec(ctx, tx, "free idempotency keys", `
		DELETE FROM idempotency_keys AS k
		USING unnest($1::text[], $2::text[]) AS n (client, key)
		WHERE k.scope = ANY(ARRAY['orders', 'orders/' || n.client])
			AND k.key = n.key
			AND k.client IS NOT DISTINCT FROM nullif(n.client, '')`, clients, keys)
}

func columnsOf(ids []ID) (clients, keys []string) {
	for _, id := range ids {
		clients, keys = append(clients, id.Client), append(keys, id.Key)
	}

	return clients, keys
}
