// Package order has the commands about one order.
package order

import (
	"github.com/google/uuid"
)

// key names the order.
type key struct {
	ID uuid.UUID `arg:"" placeholder:"UUID" what:"an order's id" help:"The order's id."`
}

// format is how a command prints.
type format struct {
	Format string `default:"table" enum:"table,json" help:"Output format: table, or json as the API returns it."`
}

func (f format) isJSON() bool { return f.Format == "json" }
