package db_test

import (
	"testing"

	"orders/db"
	"orders/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m, db.MigrateUp) }
