package jobs_test

import (
	"testing"

	"orders/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m, nil) }
