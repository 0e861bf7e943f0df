package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/api/problem"
	"orders/db"
	"orders/db/action"
	"orders/db/catalogue"
	"orders/db/idempotency"
	"orders/order"
)

func exampleProduct() Product {
	added := time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)

	return Product{
		SKU: "tea", Name: "Darjeeling, 100 g", Price: 1250, Currency: "EUR", Available: 100, LowStock: 10,
		CreatedAt: added, UpdatedAt: added,
	}
}

func (s *service) registerProducts() {
	product := exampleProduct()

	operation.Register(s.api, huma.Operation{
		OperationID: "list-products",
		Method:      http.MethodGet,
		Path:        "/products",
		Tags:        []string{"products"},
		Summary:     "List products",
		Description: "Lists the catalogue by sku. Archived products are left out unless `state` asks for them. With `low_stock=true` " +
			"only products are listed of which less is available than their `low_stock`; the report `low-stock` has the lowest first.",
	}, operation.Contract{
		Roles:    access.ToCatalogue,
		Response: productPage{Products: []Product{product}},
		Returns:  "A page of products",
	}, s.listProducts)

	operation.RegisterOutput(s.api, huma.Operation{
		OperationID: "get-product",
		Method:      http.MethodGet,
		Path:        "/products/{sku}",
		Tags:        []string{"products"},
		Summary:     "Read a product",
		Description: "Reads the product and its stock. ETag changes with both. With If-None-Match, a product that has not changed is " +
			"not sent again.",
	}, operation.Contract{
		Roles:    access.ToCatalogue,
		Response: product,
		Returns:  "The product",
		Also:     map[int]string{http.StatusNotModified: "The product is as If-None-Match says"},
		Refusals: []order.Code{order.NotFound, problem.PreconditionFailed},
	}, s.getProduct)

	operation.RegisterOutput(s.api, huma.Operation{
		OperationID:  "put-product",
		Method:       http.MethodPut,
		Path:         "/products/{sku}",
		MaxBodyBytes: operation.SmallBody,
		Tags:         []string{"products"},
		Summary:      "Add or change a product",
		Description: "Writes the name, the price and the currency, and `low_stock` if it is there: without it, the threshold stays as it " +
			"is. It does not change the stock, which comes in by receipts. " +
			"Orders keep the price at which they were placed. So that you do not undo the change of another client, send the ETag that " +
			"you have read as If-Match; changes of the stock do not matter. With `If-None-Match: *`, the product is only added.",
	}, operation.Contract{
		Roles: access.ToStock,
		Request: productTerms{
			Name: operation.Text(product.Name), Price: product.Price, Currency: operation.Currency(product.Currency),
			LowStock: &product.LowStock,
		},
		Response: product,
		Returns:  "The product, which was there before, as it is now",
		Also:     map[int]string{http.StatusCreated: "The product, which is new"},
		Refusals: []order.Code{problem.PreconditionFailed},
	}, s.putProduct)
}

func (s *service) registerArchive() {
	product := exampleProduct()

	operation.RegisterPostOutput(s.api, huma.Operation{
		OperationID: "unarchive-product",
		Path:        "/products/{sku}/unarchive",
		Tags:        []string{"products"},
		Summary:     "Let a product be ordered again",
		Description: "Takes the archiving back. A product that is not archived stays as it is.",
	}, operation.Contract{
		Roles:    access.ToStock,
		Response: product,
		Returns:  "The product as it is now",
		Refusals: []order.Code{order.NotFound},
	}, s.archiving(false))

	product.ArchivedAt = new(product.UpdatedAt.Add(24 * time.Hour))
	product.UpdatedAt = *product.ArchivedAt

	operation.RegisterPostOutput(s.api, huma.Operation{
		OperationID: "archive-product",
		Path:        "/products/{sku}/archive",
		Tags:        []string{"products"},
		Summary:     "Archive a product",
		Description: "Makes that no new order can have the product, and leaves it out of `GET /products`. Orders that were accepted " +
			"before go on. The product can still be read and changed, and its stock goes on. It is no field of PUT, because a client " +
			"that does not know the field would unarchive the product. An archived product stays as it is.",
	}, operation.Contract{
		Roles:    access.ToStock,
		Response: product,
		Returns:  "The product as it is now",
		Refusals: []order.Code{order.NotFound},
	}, s.archiving(true))
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
	LowStock  int64  `json:"low_stock" doc:"If less is available than this, the stock is low; 0 if it is never low"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at" doc:"When the name, the price, the currency, low_stock or archived_at last changed; a change of the stock does not count"`

	ArchivedAt *time.Time `json:"archived_at" doc:"When the product was archived: it cannot be ordered. Else null."`
}

func productOf(p order.Product) Product { return Product(p) }

type listProductsInput struct {
	operation.Page

	State    catalogue.State `query:"state" default:"active" doc:"Only products with this state"`
	LowStock bool            `query:"low_stock" doc:"Only products whose stock is low"`
}

type productPage struct {
	Products []Product `json:"products" nullable:"false"`

	operation.NextPage
}

var productList = operation.List[order.Product, string]{
	Name:     "products.1",
	Position: func(p order.Product) string { return p.SKU },
}

func (s *service) listProducts(ctx context.Context, in *listProductsInput) (productPage, error) {
	products, next, err := productList.Page(in.Page, func(after *string, limit int) ([]order.Product, error) {
		var behind string // a sku is never empty
		if after != nil {
			behind = *after
		}

		if in.LowStock {
			return catalogue.Low(ctx, s.Pool, in.State, behind, limit)
		}

		return catalogue.List(ctx, s.Pool, in.State, behind, limit)
	})

	return productPage{Products: operation.Each(products, productOf), NextPage: next}, err
}

// A ProductKey is the address of a product. Exported, as huma skips embedded structs that
// are not.
type ProductKey struct {
	SKU sku `path:"sku" example:"tea"`
}

type getProductInput struct {
	ProductKey
	operation.Preconditions
}

type getProductOutput struct {
	ETagHeader

	Status       int
	CacheControl string `header:"Cache-Control" doc:"A cache may keep the product, and asks each time whether it is still the same" example:"no-cache"`
	Body         Product
}

func (s *service) getProduct(ctx context.Context, in *getProductInput) (*getProductOutput, error) {
	p, err := catalogue.Product(ctx, s.Pool, string(in.SKU))
	if err != nil {
		return nil, err
	}

	tag := etagOf(p)
	is := func(sent string) bool { return sent == tag.String() }
	out := &getProductOutput{ETagHeader: tag.header(), Status: http.StatusOK, CacheControl: "no-cache", Body: productOf(p)}

	if in.CheckNoneMatch(is) != nil {
		out.Status = http.StatusNotModified
	}

	return out, in.CheckMatch(is)
}

type productTerms struct {
	_ struct{} `additionalProperties:"false"`

	Name     operation.Text     `json:"name" minLength:"1" maxLength:"200" doc:"The name that customers read"`
	Price    int64              `json:"price" minimum:"0" maximum:"1000000000000" doc:"Minor units of the currency"`
	Currency operation.Currency `json:"currency"`
	LowStock *int64             `json:"low_stock,omitempty" minimum:"0" maximum:"1000000000000" nullable:"false" doc:"If less is available than this, the stock is low: GET /products?low_stock=true lists the product. 0 for never; without it, the threshold stays as it is."`
}

type putProductInput struct {
	ProductKey
	operation.Preconditions

	Body productTerms
}

type putProductOutput struct {
	ETagHeader

	Status   int
	Location string `header:"Location" doc:"The address of the new product" example:"/products/tea"`
	Body     Product
}

func (s *service) putProduct(ctx context.Context, in *putProductInput) (*putProductOutput, error) {
	product := order.Product{SKU: string(in.SKU), Name: string(in.Body.Name), Price: in.Body.Price, Currency: string(in.Body.Currency)}

	var created bool

	err := db.InTx(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		product, created, err = in.put(ctx, tx, product)

		return err
	})
	if err != nil {
		return nil, err
	}

	out := &putProductOutput{ETagHeader: etagOf(product).header(), Status: http.StatusOK, Body: productOf(product)}
	if created {
		out.Status, out.Location = http.StatusCreated, "/products/"+product.SKU
	}

	return out, nil
}

// put writes the product, and who did it if that changed something.
func (in *putProductInput) put(ctx context.Context, tx pgx.Tx, p order.Product) (stored order.Product, created bool, err error) {
	var before order.Product

	stored, created, err = catalogue.Put(ctx, tx, p, in.Body.LowStock, func(current *order.Product) error {
		if current != nil {
			before = *current
		}

		return in.guard(current)
	})
	if err != nil || stored == before {
		return stored, created, err
	}

	return stored, created, action.Record(ctx, tx, actOnProduct(ctx, action.PutProduct, stored.SKU, map[string]any{
		"created": created, "price": stored.Price, "currency": stored.Currency, "low_stock": stored.LowStock,
	}))
}

// guard refuses a change of a product that is not as the request says.
func (in *putProductInput) guard(current *order.Product) error {
	var is func(sent string) bool
	if current != nil {
		is = etagOf(*current).sameEntry
	}

	return cmp.Or(in.CheckMatch(is), in.CheckNoneMatch(is))
}

type archiveOutput struct {
	operation.Replay
	ETagHeader

	Body Product
}

type archiveInput struct {
	operation.IdempotencyKey
	ProductKey
}

// archiving archives a product, or takes that back.
func (s *service) archiving(archived bool) operation.Act[archiveInput, *archiveOutput] {
	return func(ctx context.Context, in *archiveInput, r idempotency.Request) (*archiveOutput, bool, error) {
		product, replayed, err := idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (order.Product, error) {
			product, changed, err := catalogue.Archive(ctx, tx, string(in.SKU), archived)
			if err != nil || !changed {
				return product, err
			}

			name := action.UnarchiveProduct
			if archived {
				name = action.ArchiveProduct
			}

			return product, action.Record(ctx, tx, actOnProduct(ctx, name, product.SKU, nil))
		})

		return &archiveOutput{ETagHeader: etagOf(product).header(), Body: productOf(product)}, replayed, err
	}
}

// actOnProduct is what the sender of a request does to a product.
func actOnProduct(ctx context.Context, name action.Name, sku string, detail map[string]any) action.Action {
	target := action.Target{Kind: action.Product, ID: sku}

	return action.Action{By: access.Actor(ctx), Name: name, Target: target, Detail: detail}
}
