package operation

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/db/idempotency"
	"orders/order"
)

const keyHeader = "Idempotency-Key"

// An IdempotencyKey is part of the input of every POST: embed it. Exported, as huma skips
// embedded structs that are not.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" json:"-" maxLength:"255" pattern:"^[\\x21-\\x7e]+$" patternDescription:"visible ASCII characters" example:"8e03978e-40d5-43dd-bc93-6894a57f9324" doc:"Identifies this request, so that sending it again does not do it again. 1 to 255 visible ASCII characters; use a new UUID for each request. Keys of other clients do not matter. A key is kept for at least 24 hours. The same request with the same key has the same outcome, with Idempotent-Replayed. Concurrent requests with one key wait for the first of them. The same key with another body, or at another address, is refused with 422. If a request is refused, its key stays free."`

	path string // of the request
}

// Resolve refuses a key that is empty, which huma takes for no key, and two keys. The
// sender of a key relies on it.
func (k *IdempotencyKey) Resolve(ctx huma.Context) []error {
	var keys []string

	ctx.EachHeader(func(name, value string) {
		if name == keyHeader {
			keys = append(keys, value)
		}
	})

	if len(keys) > 1 || len(keys) == 1 && keys[0] == "" {
		return []error{&huma.ErrorDetail{Location: "header." + keyHeader, Message: "expected one key of 1 to 255 characters, or none"}}
	}

	k.path = ctx.URL().Path

	return nil
}

func (k *IdempotencyKey) idempotencyKey() *IdempotencyKey { return k }

// Replay is part of the output of every POST: embed it.
type Replay struct {
	Replayed string `header:"Idempotent-Replayed" enum:"true" doc:"Present if an earlier request has done this: one with the same Idempotency-Key, or with another identity that the operation's description names"`
}

func (r *Replay) markReplayed() { r.Replayed = "true" }

// keyed is the input of a POST, and replayable is its output.
type (
	keyed[I any] interface {
		*I
		idempotencyKey() *IdempotencyKey
	}

	replayable[O any] interface {
		*O
		markReplayed()
	}
)

// An Act is what a POST does, once for the request's key. It returns whether an earlier request
// has done it.
type Act[I, T any] func(ctx context.Context, in *I, r idempotency.Request) (result T, replayed bool, err error)

// RegisterPost adds a POST whose response is a body.
func RegisterPost[I, T any, P keyed[I]](api huma.API, op huma.Operation, c Contract, act Act[I, T]) {
	type output = replayedBody[T]

	RegisterPostOutput[I, output, P](api, op, c, func(ctx context.Context, in *I, r idempotency.Request) (*output, bool, error) {
		body, replayed, err := act(ctx, in, r)

		return &output{Body: body}, replayed, err
	})
}

// A replayedBody is an output that is a body and nothing else.
type replayedBody[T any] struct {
	Replay

	Body T
}

// RegisterPostOutput adds a POST whose response has headers of its own. Nothing else registers
// a POST, so that each takes an Idempotency-Key and marks its replays.
func RegisterPostOutput[I, O any, P keyed[I], Q replayable[O]](api huma.API, op huma.Operation, c Contract, act Act[I, *O]) {
	op.Method = http.MethodPost
	c.Refusals = append(c.Refusals, order.KeyReused)

	register(api, op, c, func(ctx context.Context, in *I) (*O, error) {
		body := bodyOf(in)
		key := P(in).idempotencyKey()

		hash, err := idempotency.HashOf(key.path, body)
		if err != nil {
			return nil, err
		}

		r := idempotency.Request{Client: access.ClientOf(ctx), Key: key.Key, Operation: op.OperationID, Hash: hash}

		out, replayed, err := act(ctx, in, r)
		if replayed && err == nil {
			Q(out).markReplayed()
		}

		return out, err
	})
}

// bodyOf is the decoded body of an input; nil if it has none. A body that is optional and was
// not sent becomes an empty one, which is the same request.
func bodyOf(in any) any {
	body := reflect.ValueOf(in).Elem().FieldByName("Body")

	switch {
	case !body.IsValid():
		return nil
	case body.Kind() == reflect.Pointer && body.IsNil():
		body.Set(reflect.New(body.Type().Elem()))
	}

	return body.Interface()
}
