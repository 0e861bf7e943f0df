package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/action"
	"orders/db/catalogue"
	"orders/db/idempotency"
	"orders/order"
)

func (s *service) registerStock() {
	at := exampleProduct().CreatedAt
	first := Receipt{Reference: "po-7", Quantity: 102, At: at}
	damaged := Receipt{Reference: "incident-4", Quantity: -2, Reason: operation.Optional[order.AdjustmentReason](order.Damaged), At: at}

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
		Roles:    access.ToStock,
		Request:  newReceipt{Quantity: 102, Reference: "po-7"},
		Response: bookedReceipt{SKU: "tea", Available: 102, Receipt: first},
		Returns:  "The receipt, and the stock now",
		Refusals: []order.Code{order.NotFound, order.ReceiptReused, order.StockOverflow},
	}, s.bookReceipt)

	operation.RegisterPost(s.api, huma.Operation{
		OperationID:   "adjust-stock",
		Path:          "/products/{sku}/adjustments",
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  operation.SmallBody,
		Tags:          []string{"products"},
		Summary:       "Adjust the stock",
		Description: "Changes the product's stock for a reason, once for each reference. A stock-take has `counted`, and the system " +
			"computes the quantity; any other adjustment has `quantity`. The references are those of receipts, too: one that was sent " +
			"with another reason, quantity or count is refused. So is an adjustment that takes away more than is available; the problem " +
			"has `available` then. Stock that orders have taken is not available.",
	}, operation.Contract{
		Roles:    access.ToStock,
		Request:  newAdjustment{Reason: order.Damaged, Quantity: new(int64(-2)), Reference: "incident-4"},
		Response: bookedReceipt{SKU: "tea", Available: 100, Receipt: damaged},
		Returns:  "The adjustment, and the stock now",
		Refusals: []order.Code{order.NotFound, order.ReceiptReused, order.StockOverflow, order.InsufficientStock},
	}, s.adjustStock)

	operation.Register(s.api, huma.Operation{
		OperationID: "list-receipts",
		Method:      http.MethodGet,
		Path:        "/products/{sku}/receipts",
		Tags:        []string{"products"},
		Summary:     "List receipts and adjustments",
		Description: "Lists what came in and what was adjusted, the newest first. Their quantities, less what orders have taken, are " +
			"the product's stock.",
	}, operation.Contract{
		Roles:    access.ToReadStock,
		Response: receiptPage{Receipts: []Receipt{damaged, first}},
		Returns:  "A page of receipts and adjustments",
		Refusals: []order.Code{order.NotFound},
	}, s.listReceipts)
}

type newReceipt struct {
	_ struct{} `additionalProperties:"false"`

	Quantity  int64          `json:"quantity" minimum:"1" maximum:"1000000000" doc:"How much came in"`
	Reference operation.Text `json:"reference" minLength:"1" maxLength:"128" doc:"The sender's name for the receipt, for example a purchase order number. Two clients may use one name."`
}

type newAdjustment struct {
	_ struct{} `additionalProperties:"false"`

	Reason    order.AdjustmentReason `json:"reason"`
	Quantity  *int64                 `json:"quantity,omitempty" nullable:"false" minimum:"-1000000000" maximum:"1000000000" doc:"How much more there is: negative if damaged or lost, positive if returned, either for a correction. A stock_take has none."`
	Counted   *int64                 `json:"counted,omitempty" nullable:"false" minimum:"0" doc:"For a stock_take only: how much was counted, without what orders have taken"`
	Reference operation.Text         `json:"reference" minLength:"1" maxLength:"128" doc:"The sender's name for the adjustment. Two clients may use one name."`
	Note      operation.Text         `json:"note,omitempty" maxLength:"500" doc:"For people who read the list"`
}

// A Receipt is a row of a product's ledger of stock. Exported, as huma skips embedded structs
// that are not.
type Receipt struct {
	Reference string                                     `json:"reference"`
	Quantity  int64                                      `json:"quantity" doc:"How much came in; negative if an adjustment took it away"`
	Reason    operation.Optional[order.AdjustmentReason] `json:"reason" doc:"Why the stock was adjusted; null for a receipt"`
	Counted   *int64                                     `json:"counted" doc:"How much a stock_take counted, else null"`
	Note      string                                     `json:"note"`
	At        time.Time                                  `json:"at"`
}

func receiptOf(r catalogue.Receipt) Receipt {
	return Receipt{
		Reference: r.Reference, Quantity: r.Quantity, Reason: operation.Optional[order.AdjustmentReason](r.Reason),
		Counted: r.Counted, Note: r.Note, At: r.At,
	}
}

type bookedReceipt struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available" doc:"The product's stock now"`

	Receipt
}

type bookReceiptInput struct {
	operation.IdempotencyKey
	ProductKey

	Body newReceipt
}

func (s *service) bookReceipt(ctx context.Context, in *bookReceiptInput, r idempotency.Request) (bookedReceipt, bool, error) {
	return s.book(ctx, r, catalogue.Receipt{SKU: string(in.SKU), Reference: string(in.Body.Reference), Quantity: in.Body.Quantity})
}

type adjustStockInput struct {
	operation.IdempotencyKey
	ProductKey

	Body newAdjustment
}

func (s *service) adjustStock(ctx context.Context, in *adjustStockInput, r idempotency.Request) (bookedReceipt, bool, error) {
	a := order.Adjustment{Reason: in.Body.Reason, Quantity: in.Body.Quantity, Counted: in.Body.Counted}
	if err := a.Check(); err != nil {
		return bookedReceipt{}, false, err
	}

	booking := catalogue.Receipt{
		SKU: string(in.SKU), Reference: string(in.Body.Reference), Reason: a.Reason, Counted: a.Counted, Note: string(in.Body.Note),
	}
	if a.Quantity != nil {
		booking.Quantity = *a.Quantity
	}

	return s.book(ctx, r, booking)
}

// book books a receipt or an adjustment.
func (s *service) book(ctx context.Context, r idempotency.Request, booking catalogue.Receipt) (bookedReceipt, bool, error) {
	return idempotency.InTx(ctx, s.Pool, r, func(tx pgx.Tx) (bookedReceipt, error) {
		booking.Client = r.Client

		booked, available, err := catalogue.Book(ctx, tx, booking)
		if err == nil && !booked.Replayed {
			err = action.Record(ctx, tx, bookingOf(ctx, booked))
		}

		return bookedReceipt{SKU: booked.SKU, Available: available, Receipt: receiptOf(booked)}, err
	})
}

// bookingOf is the act of booking.
func bookingOf(ctx context.Context, r catalogue.Receipt) action.Action {
	detail := map[string]any{"reference": r.Reference, "quantity": r.Quantity}
	if r.Reason == "" {
		return actOnProduct(ctx, action.BookReceipt, r.SKU, detail)
	}

	detail["reason"] = r.Reason

	return actOnProduct(ctx, action.AdjustStock, r.SKU, detail)
}

type listReceiptsInput struct {
	ProductKey
	operation.Page
}

type receiptPage struct {
	Receipts []Receipt `json:"receipts" nullable:"false"`

	operation.NextPage
}

var receiptList = operation.List[catalogue.Receipt, catalogue.Position]{
	Name: "receipts.1",
	Position: func(r catalogue.Receipt) catalogue.Position {
		return catalogue.Position{At: r.At, Reference: r.Reference}
	},
}

func (s *service) listReceipts(ctx context.Context, in *listReceiptsInput) (receiptPage, error) {
	sku := string(in.SKU)

	receipts, next, err := receiptList.Page(in.Page, func(after *catalogue.Position, limit int) ([]catalogue.Receipt, error) {
		if _, err := catalogue.Product(ctx, s.Pool, sku); err != nil {
			return nil, err
		}

		return catalogue.Receipts(ctx, s.Pool, sku, after, limit)
	})

	return receiptPage{Receipts: operation.Each(receipts, receiptOf), NextPage: next}, err
}
