package deliver_test

import (
	"testing"

	"orders/db/dbtest"
	"orders/db/schema"
)

func TestMain(m *testing.M) { dbtest.Main(m, schema.Up) }
