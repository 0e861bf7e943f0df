package server_test

import (
	"context"
	"testing"

	"orders/db/dbtest"
)

// The tests need a server, but no tables.
func TestMain(m *testing.M) { dbtest.Main(m, func(context.Context, string) error { return nil }) }
