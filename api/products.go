package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/api/operation"
	"orders/db"
	"orders/order"
)

func exampleProduct() Product {
	return Product{SKU: "tea", Name: "Darjeeling, 100 g", Price: 1250, Currency: "EUR", Available: 100}
}

func (s *service) registerProducts() {
	product := exampleProduct()

	operation.Register(s.api, huma.Operation{
		OperationID: "list-products",
		Method:      http.MethodGet,
		Path:        "/products",
		Tags:        []string{"products"},
		Summary:     "List products",
		Description: "Lists the catalogue by sku.",
	}, operation.Contract{
		Response: productPage{Products: []Product{product}},
		Returns:  "A page of products",
	}, s.listProducts)

	operation.Register(s.api, huma.Operation{
		OperationID: "get-product",
		Method:      http.MethodGet,
		Path:        "/products/{sku}",
		Tags:        []string{"products"},
		Summary:     "Read a product",
		Description: "Reads the product and its stock.",
	}, operation.Contract{
		Response: product,
		Returns:  "The product",
		Refusals: []order.Code{order.NotFound},
	}, s.getProduct)

	operation.Register(s.api, huma.Operation{
		OperationID:  "put-product",
		Method:       http.MethodPut,
		Path:         "/products/{sku}",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"products"},
		Summary:      "Add or change a product",
		Description: "Writes the name, the price and the currency. It does not change the stock, which comes in by receipts. " +
			"Orders keep the price at which they were placed.",
	}, operation.Contract{
		Request:  productTerms{Name: operation.Text(product.Name), Price: product.Price, Currency: operation.Currency(product.Currency)},
		Response: product,
		Returns:  "The product as it is now",
	}, s.putProduct)
}

// sku names a product.
type sku string

// Schema is the sku's.
func (sku) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
		PatternDescription: "1 to 64 letters, digits, dots, dashes and underscores, the first of them a letter or a digit",
		Description:        "The product's sku: 1 to 64 letters, digits, dots, dashes and underscores",
	}
}

// A Product is what can be ordered, and how much of it there is.
type Product struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Price     int64  `json:"price" doc:"Minor units of the currency"`
	Currency  string `json:"currency" doc:"ISO 4217 code"`
	Available int64  `json:"available" doc:"Stock that no order has taken"`
}

func productOf(p order.Product) Product { return Product(p) }

type productPage struct {
	Products []Product `json:"products" nullable:"false"`

	operation.NextPage
}

var productList = operation.List[order.Product, string]{
	Name:     "products.1",
	Position: func(p order.Product) string { return p.SKU },
}

func (s *service) listProducts(ctx context.Context, in *struct{ operation.Page }) (productPage, error) {
	products, next, err := productList.Page(in.Page, func(after *string, limit int) ([]order.Product, error) {
		var behind string // a sku is never empty
		if after != nil {
			behind = *after
		}

		return db.Products(ctx, s.Pool, behind, limit)
	})

	return productPage{Products: operation.Each(products, productOf), NextPage: next}, err
}

// A ProductKey is the address of a product. Exported, as huma skips embedded structs that
// are not.
type ProductKey struct {
	SKU sku `path:"sku" example:"tea"`
}

func (s *service) getProduct(ctx context.Context, in *ProductKey) (Product, error) {
	p, err := db.Product(ctx, s.Pool, string(in.SKU))

	return productOf(p), err
}

type productTerms struct {
	_ struct{} `additionalProperties:"false"`

	Name     operation.Text     `json:"name" minLength:"1" maxLength:"200" doc:"The name that customers read"`
	Price    int64              `json:"price" minimum:"0" maximum:"1000000000000" doc:"Minor units of the currency"`
	Currency operation.Currency `json:"currency"`
}

type putProductInput struct {
	ProductKey

	Body productTerms
}

func (s *service) putProduct(ctx context.Context, in *putProductInput) (Product, error) {
	product := order.Product{SKU: string(in.SKU), Name: string(in.Body.Name), Price: in.Body.Price, Currency: string(in.Body.Currency)}

	err := db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		product, err = db.PutProduct(ctx, tx, product)

		return err
	})

	return productOf(product), err
}
