// Package migrations holds the schema as numbered pairs of SQL files for golang-migrate.
package migrations

import "embed"

// Files are the pairs, NNNNNN_name.up.sql and NNNNNN_name.down.sql.
//
//go:embed *.sql
var Files embed.FS
