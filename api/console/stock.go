package console

import (
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/catalogue"
	"orders/order"
)

type stockPage struct {
	page.Links

	Low      []order.Product // of the state, on the first page
	Products []order.Product
	State    catalogue.State
	From     string // the sku at which the list begins
}

type skuPosition struct{ SKU string }

var productList = operation.List[order.Product, skuPosition]{
	Name:     "console-products",
	Position: func(p order.Product) skuPosition { return skuPosition{p.SKU} },
}

func (c *console) stock(r *http.Request) (page.View, error) {
	ctx := r.Context()
	v := page.View{Template: "stock", Title: "Stock", Section: "stock", Refresh: 5}
	p := stockPage{State: catalogue.State(page.Text(r, "state")), From: page.Text(r, "sku")}

	if p.State != catalogue.Archived && p.State != catalogue.All {
		p.State = catalogue.Active
	}

	if _, err := catalogue.Product(ctx, c.Pool, p.From); err == nil {
		v.Redirect = productAddress(p.From)

		return v, nil
	}

	if page.Of(r).Cursor == "" && p.From == "" {
		var err error
		if p.Low, err = catalogue.Low(ctx, c.Pool, p.State, "", page.Size); err != nil {
			return v, err
		}
	}

	products, next, err := productList.Page(page.Of(r), func(after *skuPosition, limit int) ([]order.Product, error) {
		if after == nil {
			after = &skuPosition{p.From}
		}

		return catalogue.List(ctx, c.Pool, p.State, after.SKU, limit)
	})
	p.Products, p.Links = products, page.LinksOf(r, next)
	v.Data = p

	if p.First != "" {
		v.Refresh = 0
	}

	return v, err
}

type productPage struct {
	page.Links

	Product  order.Product
	Receipts []catalogue.Receipt
	Orders   []order.Order // the newest that have the product
}

// maxProductOrders bounds the orders of a product's page.
const maxProductOrders = 20

var receiptList = operation.List[catalogue.Receipt, catalogue.Position]{
	Name: "console-receipts",
	Position: func(r catalogue.Receipt) catalogue.Position {
		return catalogue.Position{At: r.At, Reference: r.Reference}
	},
}

func (c *console) product(r *http.Request) (page.View, error) {
	ctx, sku := r.Context(), r.PathValue("sku")
	v := page.View{Template: "product", Title: sku, Section: "stock", Refresh: 5}

	var p productPage

	receipts, next, err := receiptList.Page(page.Of(r), func(after *catalogue.Position, limit int) (rows []catalogue.Receipt, err error) {
		err = db.Snapshot(ctx, c.Pool, func(tx pgx.Tx) (err error) {
			if p.Product, err = catalogue.Product(ctx, tx, sku); err != nil {
				return err
			}

			if p.Orders, err = db.ListOrders(ctx, tx, db.OrderFilter{SKU: sku, Limit: maxProductOrders}); err != nil {
				return err
			}

			rows, err = catalogue.Receipts(ctx, tx, sku, after, limit)

			return err
		})

		return rows, err
	})
	p.Receipts, p.Links = receipts, page.LinksOf(r, next)
	v.Data = p

	if p.First != "" {
		v.Refresh = 0
	}

	return v, err
}

// Taken is how much an order of the page has of the product.
func (p productPage) Taken(o order.Order) (quantity int64) {
	for _, l := range o.Lines {
		if l.SKU == p.Product.SKU {
			quantity += l.Quantity
		}
	}

	return quantity
}

func productAddress(sku string) string { return "/console/stock/" + url.PathEscape(sku) }

func pointsAddress(userID string) string {
	return "/console/points?" + url.Values{"user_id": {userID}}.Encode()
}
