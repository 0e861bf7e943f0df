package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/api/operation"
	"orders/db/catalogue"
	"orders/db/idempotency"
	"orders/order"
)

func (s *service) registerStock() {
	product := exampleProduct()

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:   "book-receipt",
		Path:          "/products/{sku}/receipts",
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  operation.SmallBody,
		Tags:          []string{"products"},
		Summary:       "Book a receipt of stock",
		Description: "Adds to the product's stock, once for each reference. When the same reference is sent again with the same " +
			"quantity, nothing changes and the response is the same. With another quantity it is refused.",
	}, operation.Contract{
		Request:  newReceipt{Quantity: 100, Reference: "po-7"},
		Response: receipt{SKU: product.SKU, Reference: "po-7", Quantity: 100, Available: product.Available},
		Returns:  "The receipt, and the stock now",
		Refusals: []order.Code{order.NotFound, order.ReceiptReused, order.StockOverflow},
	}, s.bookReceipt)
}

type newReceipt struct {
	_ struct{} `additionalProperties:"false"`

	Quantity  int64          `json:"quantity" minimum:"1" maximum:"1000000000" doc:"How much came in"`
	Reference operation.Text `json:"reference" minLength:"1" maxLength:"128" doc:"The sender's name for the receipt, for example a purchase order number"`
}

type receipt struct {
	SKU       string `json:"sku"`
	Reference string `json:"reference"`
	Quantity  int64  `json:"quantity"`
	Available int64  `json:"available" doc:"The product's stock now"`
}

type bookReceiptInput struct {
	operation.IdempotencyKey
	ProductKey

	Body newReceipt
}

func (s *service) bookReceipt(ctx context.Context, in *bookReceiptInput, r idempotency.Request) (receipt, bool, error) {
	booking := catalogue.Receipt{SKU: string(in.SKU), Reference: string(in.Body.Reference), Quantity: in.Body.Quantity}
	booked := receipt{SKU: booking.SKU, Reference: booking.Reference, Quantity: booking.Quantity}

	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (_ receipt, err error) {
		booked.Available, err = catalogue.Receive(ctx, tx, booking)

		return booked, err
	})
}
