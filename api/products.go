package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

func (s *service) registerProducts() {
	product := order.Product{SKU: "tea", Name: "Darjeeling, 100 g", Price: 1250, Currency: "EUR", Available: 100}

	register(s, huma.Operation{
		OperationID: "list-products",
		Method:      http.MethodGet,
		Path:        "/products",
		Tags:        []string{"products"},
		Summary:     "List products",
		Description: "The catalogue, by sku.",
	}, contract{
		response: productPage{Products: []order.Product{product}},
		answer:   "A page of products",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.listProducts)

	register(s, huma.Operation{
		OperationID: "get-product",
		Method:      http.MethodGet,
		Path:        "/products/{sku}",
		Tags:        []string{"products"},
		Summary:     "Read a product",
		Description: "The product and what is left of it.",
	}, contract{
		response: product,
		answer:   "The product",
		refusals: []order.Code{order.NotFound, order.Unavailable},
	}, s.getProduct)

	register(s, huma.Operation{
		OperationID:  "put-product",
		Method:       http.MethodPut,
		Path:         "/products/{sku}",
		MaxBodyBytes: maxSmallBody,
		Tags:         []string{"products"},
		Summary:      "Add or change a product",
		Description: "Writes name, price and currency. Stock is left alone: it comes in by receipts. " +
			"Orders keep the price of when they were placed.",
	}, contract{
		request:  productTerms{Name: product.Name, Price: product.Price, Currency: product.Currency},
		response: product,
		answer:   "The product as it is now",
		refusals: []order.Code{order.Unavailable},
	}, s.putProduct)

	register(s, huma.Operation{
		OperationID:   "book-receipt",
		Method:        http.MethodPost,
		Path:          "/products/{sku}/receipts",
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  maxSmallBody,
		Tags:          []string{"products"},
		Summary:       "Book a receipt of stock",
		Description: "Adds to the stock, once for a reference of the product: sending it again adds nothing and answers the same. " +
			"The same reference with another quantity is refused.",
	}, contract{
		request:  newReceipt{Quantity: 100, Reference: "po-7"},
		response: receipt{SKU: product.SKU, Reference: "po-7", Quantity: 100, Available: product.Available},
		answer:   "The receipt, and the stock now",
		refusals: []order.Code{order.NotFound, order.ReceiptReused, order.Unavailable},
	}, s.bookReceipt)
}

type productPage struct {
	Products   []order.Product `json:"products" nullable:"false"`
	NextCursor string          `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

func (s *service) listProducts(ctx context.Context, in *struct{ Page }) (*answer[productPage], error) {
	after, err := readCursor[string](productList, in.Cursor)
	if err != nil {
		return nil, err
	}

	var behind string // a sku is never empty
	if after != nil {
		behind = *after
	}

	products, err := db.Products(ctx, s.Pool, behind, in.Limit+1)
	if err != nil {
		return nil, err
	}

	products, next, err := cut(products, in.Page, productList, func(p order.Product) string { return p.SKU })

	return &answer[productPage]{Body: productPage{Products: products, NextCursor: next}}, err
}

// A ProductKey is the address of a product. Exported, as huma passes over embedded structs that are not.
type ProductKey struct {
	SKU string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" example:"tea" doc:"The product's sku: 1 to 64 letters, digits, dots, dashes and underscores"`
}

func (s *service) getProduct(ctx context.Context, in *ProductKey) (*answer[order.Product], error) {
	p, err := db.Product(ctx, s.Pool, in.SKU)

	return &answer[order.Product]{Body: p}, err
}

type productTerms struct {
	_ struct{} `additionalProperties:"false"`

	Name     string `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"What customers call it"`
	Price    int64  `json:"price" minimum:"0" maximum:"1000000000000" doc:"Minor units of the currency"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code"`
}

type putProductInput struct {
	ProductKey

	Body productTerms
}

func (s *service) putProduct(ctx context.Context, in *putProductInput) (*answer[order.Product], error) {
	product := order.Product{SKU: in.SKU, Name: in.Body.Name, Price: in.Body.Price, Currency: in.Body.Currency}

	err := db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		product, err = db.PutProduct(ctx, tx, product)

		return err
	})

	return &answer[order.Product]{Body: product}, err
}

type newReceipt struct {
	_ struct{} `additionalProperties:"false"`

	Quantity  int64  `json:"quantity" minimum:"1" maximum:"1000000000" doc:"How much came in"`
	Reference string `json:"reference" minLength:"1" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" doc:"The sender's name for it, such as a purchase order number"`
}

type receipt struct {
	SKU       string `json:"sku"`
	Reference string `json:"reference"`
	Quantity  int64  `json:"quantity"`
	Available int64  `json:"available" doc:"The product's stock now"`
}

type bookReceiptInput struct {
	ProductKey

	Body newReceipt
}

func (s *service) bookReceipt(ctx context.Context, in *bookReceiptInput) (*answer[receipt], error) {
	booked := receipt{SKU: in.SKU, Reference: in.Body.Reference, Quantity: in.Body.Quantity}

	err := db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		booked.Available, err = db.Receive(ctx, tx, db.Receipt{SKU: in.SKU, Reference: in.Body.Reference, Quantity: in.Body.Quantity})

		return err
	})

	return &answer[receipt]{Body: booked}, err
}
