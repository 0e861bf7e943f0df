package clients

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"orders/clients/client"
)

// The main flow with the generated client, against the server at ORDERS_URL.
func TestFlow(t *testing.T) {
	c, err := client.NewClientWithResponses(os.Getenv("ORDERS_URL"))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	sku, user := fmt.Sprint("go-", time.Now().UnixNano()), fmt.Sprint("go-", time.Now().UnixNano())

	product, err := c.PutProductWithResponse(ctx, sku, &client.PutProductParams{}, client.ProductTerms{Name: "Te", Price: 1250, Currency: "EUR"})
	if err != nil || product.JSON201 == nil {
		t.Fatalf("product: %v %s", err, product.Body)
	}

	tag := product.HTTPResponse.Header.Get("ETag")
	terms := client.ProductTerms{Name: "Tea", Price: 1250, Currency: "EUR"}

	for _, want := range []int{200, 412} {
		changed, err := c.PutProductWithResponse(ctx, sku, &client.PutProductParams{IfMatch: &tag}, terms)
		if err != nil || changed.StatusCode() != want {
			t.Fatalf("product with If-Match: %v %s", err, changed.Body)
		}
	}

	receipt, err := c.BookReceiptWithResponse(ctx, sku, nil, client.NewReceipt{Quantity: 10, Reference: "first"})
	if err != nil || receipt.JSON201 == nil || receipt.JSON201.Available != 10 {
		t.Fatalf("receipt: %v %s", err, receipt.Body)
	}

	body := client.NewOrder{UserId: user, Lines: []client.NewOrderLine{{Sku: sku, Quantity: 2}}}
	params := &client.PlaceOrderParams{IdempotencyKey: &user}

	placed, err := c.PlaceOrderWithResponse(ctx, params, body)
	if err != nil || placed.JSON201 == nil || placed.JSON201.Total != 2500 || placed.JSON201.Status != client.OrderStatusPending {
		t.Fatalf("order: %v %s", err, placed.Body)
	}

	again, err := c.PlaceOrderWithResponse(ctx, params, body)
	if err != nil || again.JSON201 == nil || again.JSON201.Id != placed.JSON201.Id || again.HTTPResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("the same order: %v %s", err, again.Body)
	}

	confirmed := settled(ctx, t, c, placed.JSON201.Id)
	if confirmed.Status != client.OrderStatusConfirmed || len(confirmed.Steps) != 3 {
		t.Errorf("order: %+v", confirmed)
	}

	why, err := c.ExplainOrderWithResponse(ctx, confirmed.Id)
	if err != nil || why.JSON200 == nil || why.JSON200.Code != client.WhyCodeSettled || why.JSON200.Step != nil {
		t.Errorf("why: %v %s", err, why.Body)
	}

	points, err := c.GetPointsWithResponse(ctx, user, nil)
	if err != nil || points.JSON200 == nil || points.JSON200.Balance != 10 || points.JSON200.Entries[0].Kind != client.PointsEntryKindEarn {
		t.Errorf("points: %v %s", err, points.Body)
	}

	inbox, err := c.ListNotificationsWithResponse(ctx, user, nil)
	if err != nil || inbox.JSON200 == nil || inbox.JSON200.Notifications[0].Template != client.NotificationTemplateCreated {
		t.Errorf("inbox: %v %s", err, inbox.Body)
	}

	payHeld(ctx, t, c, body)

	cancelKey := "cancel-" + user

	for _, replayed := range []string{"", "true"} {
		params := &client.CancelOrderParams{IdempotencyKey: &cancelKey}

		cancelled, err := c.CancelOrderWithBodyWithResponse(ctx, confirmed.Id, params, "application/json", http.NoBody)
		if err != nil || cancelled.JSON200 == nil || cancelled.JSON200.Status != client.OrderStatusCancelled ||
			cancelled.HTTPResponse.Header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("cancel: %v %s", err, cancelled.Body)
		}
	}

	letters, err := c.ListDeadLettersWithResponse(ctx, nil)
	if err != nil || letters.JSON200 == nil {
		t.Errorf("dead letters: %v %s", err, letters.Body)
	}

	refused, err := c.PlaceOrderWithResponse(ctx, nil, client.NewOrder{UserId: user, Lines: []client.NewOrderLine{{Sku: "no-such", Quantity: 1}}})
	if err != nil || refused.ApplicationproblemJSON422 == nil || refused.ApplicationproblemJSON422.Type != client.ProblemTypeProblemsunknownSku {
		t.Errorf("refusal: %v %s", err, refused.Body)
	}
}

// payHeld holds an order and pays it at once, while its stock may not be reserved yet.
func payHeld(ctx context.Context, t *testing.T, c *client.ClientWithResponses, body client.NewOrder) {
	t.Helper()

	hold := int64(600)
	body.HoldSeconds = &hold

	held, err := c.PlaceOrderWithResponse(ctx, nil, body)
	if err != nil || held.JSON201 == nil {
		t.Fatalf("held order: %v %s", err, held.Body)
	}

	o := held.JSON201

	paid, err := c.PayOrderWithResponse(ctx, o.Id, nil, client.Payment{Reference: "pay-" + body.UserId, Amount: &o.Total, Currency: &o.Currency})
	if err != nil || paid.JSON200 == nil {
		t.Fatalf("payment: %v %s", err, paid.Body)
	}

	if confirmed := settled(ctx, t, c, o.Id); confirmed.Status != client.OrderStatusConfirmed {
		t.Errorf("paid order: %+v", confirmed)
	}
}

// settled reads the order until its steps are over.
func settled(ctx context.Context, t *testing.T, c *client.ClientWithResponses, id types.UUID) *client.Order {
	t.Helper()

	for {
		read, err := c.GetOrderWithResponse(ctx, id)
		if err != nil || read.JSON200 == nil {
			t.Fatalf("read order: %v", err)
		}

		waiting := false
		for _, step := range read.JSON200.Steps {
			waiting = waiting || step.State == client.StepStateWaiting || step.State == client.StepStateRetrying
		}

		if !waiting {
			return read.JSON200
		}

		time.Sleep(50 * time.Millisecond)
	}
}
