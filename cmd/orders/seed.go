package main

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/catalogue"
	"orders/order"
)

// demo is the catalogue of a new database.
var demo = []order.Product{
	{SKU: "tea", Name: "Darjeeling, 100 g", Price: 1_250, Currency: "EUR", Available: 10_000},
	{SKU: "mug", Name: "Mug", Price: 890, Currency: "EUR", Available: 1_000},
	{SKU: "teapot", Name: "Teapot, 1 l", Price: 3_400, Currency: "EUR", Available: 25},
	{SKU: "coffee", Name: "Coffee beans, 1 kg", Price: 1_990, Currency: "USD", Available: 5_000},
}

type seedCmd struct{}

// Run adds the demo products; running it again changes nothing.
func (seedCmd) Run(p *program) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	return seed(p, pool)
}

func seedIfEmpty(p *program, pool *pgxpool.Pool) error {
	products, err := catalogue.List(p.ctx, pool, catalogue.All, "", 1)
	if err != nil || len(products) > 0 {
		return err
	}

	return seed(p, pool)
}

func seed(p *program, pool *pgxpool.Pool) error {
	return db.InTx(p.ctx, pool, func(tx pgx.Tx) error {
		for _, product := range demo {
			if err := catalogue.Add(p.ctx, tx, product, "demo"); err != nil {
				return err
			}
		}

		p.log.Info("added demo products", "count", len(demo))

		return nil
	})
}
