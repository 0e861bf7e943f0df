package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// payers are the connections that payments come by.
const payers = 8

// payAll pays for the orders. One whose stock is not taken yet is answered 409,
// and paid a little later.
func (l *load) payAll(ctx context.Context, orders <-chan uuid.UUID) error {
	var c *conn

	for id := range orders {
		if c == nil {
			var err error
			if c, err = dial(ctx, l.addresses[0]); err != nil {
				return err
			}
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
		}

		for {
			got, err := c.post("/orders/"+id.String()+"/payment", "", []byte(`{"reference":"pay-`+id.String()+`"}`))
			if err != nil {
				return fmt.Errorf("pay: %w", err)
			}

			if got.status == http.StatusOK {
				break
			}

			if got.status != http.StatusConflict {
				return fmt.Errorf("pay: answer %d: %s", got.status, got.body)
			}

			if !pause(ctx, 20*time.Millisecond) {
				return context.Cause(ctx)
			}
		}
	}

	return nil
}
