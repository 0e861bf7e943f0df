package operation_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/operation"
)

// A POST without an Idempotency-Key does not get as far as being served.
func TestAPOSTIsNotRegisteredWithoutAKey(t *testing.T) {
	t.Parallel()

	defer func() {
		if recover() == nil {
			t.Error("it is registered")
		}
	}()

	api := humago.New(http.NewServeMux(), huma.DefaultConfig("test", "1"))
	operation.Register(api, huma.Operation{OperationID: "forgetful", Method: http.MethodPost, Path: "/forgetful"}, operation.Contract{},
		func(context.Context, *struct{}) (string, error) { return "", nil })
}
