package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/problem"
	"orders/db/groupcommit"
	"orders/order"
	"orders/order/flow"
)

const malformed order.Code = "malformed-body"

func quote(t *testing.T, text string) string {
	t.Helper()

	var buffer bytes.Buffer

	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(text); err != nil {
		t.Fatal(err)
	}

	return strings.TrimSpace(buffer.String())
}

// Each body was found to pass, or to be answered badly, by huma or encoding/json left to themselves.
func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for name, test := range map[string]struct {
		body   string
		status int
		code   order.Code
	}{
		"key of other case beside":   {`{"user_id":"u","lines":[{"sku":"tea","quantity":1,"QUANTITY":50000}]}`, 422, order.Invalid},
		"key of other case alone":    {`{"USER_ID":"u","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"unknown key":                {`{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"price":1}`, 422, order.Invalid},
		"$schema":                    {`{"$schema":"x","user_id":"u","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"key twice":                  {`{"user_id":"u","user_id":"v","lines":[{"sku":"tea","quantity":1}]}`, 400, malformed},
		"key twice, nested":          {`{"user_id":"u","lines":[{"sku":"tea","quantity":1,"quantity":2}]}`, 400, malformed},
		"key twice, once escaped":    {`{"user_id":"u","\u0075ser_id":"v","lines":[{"sku":"tea","quantity":1}]}`, 400, malformed},
		"NUL in a text":              {`{"user_id":"a\u0000b","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"newline in a text":          {`{"user_id":"a\nb","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"newline at the end":         {`{"user_id":"u","lines":[{"sku":"tea\n","quantity":1}]}`, 422, order.Invalid},
		"DEL in a text":              {`{"user_id":"a\u007fb","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"not UTF-8":                  {"{\"user_id\":\"\xff\",\"lines\":[{\"sku\":\"tea\",\"quantity\":1}]}", 400, malformed},
		"user too long":              {`{"user_id":"` + strings.Repeat("ü", 129) + `","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"user empty":                 {`{"user_id":"","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"user null":                  {`{"user_id":null,"lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"lines null":                 {`{"user_id":"u","lines":null}`, 422, order.InvalidLines},
		"lines an object":            {`{"user_id":"u","lines":{}}`, 422, order.InvalidLines},
		"a hold without an end":      {`{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"hold_seconds":99999999}`, 422, order.Invalid},
		"half a surrogate pair":      {`{"user_id":"\ud800","lines":[{"sku":"tea","quantity":1}]}`, 400, malformed},
		"a control character of C1":  {`{"user_id":"\u0085","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"number beyond all":          {`{"user_id":"u","lines":[{"sku":"tea","quantity":1e999}]}`, 422, order.InvalidQuantity},
		"data behind":                {`{"user_id":"u","lines":[{"sku":"tea","quantity":1}]} {}`, 400, malformed},
		"cut off":                    {`{"user_id":"u","lines":[`, 400, malformed},
		"none":                       {``, 400, malformed},
		"null":                       {`null`, 422, order.Invalid},
		"optional field null":        {`{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"hold_seconds":null}`, 422, order.Invalid},
		"optional number beyond all": {`{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"hold_seconds":1e999}`, 422, order.Invalid},
		"customer that is a dot":     {`{"user_id":".","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"customer with a slash":      {`{"user_id":"a/b","lines":[{"sku":"tea","quantity":1}]}`, 422, order.Invalid},
		"an array":                   {`[]`, 422, order.Invalid},
		"deeper than anybody writes": {strings.Repeat("[", 20_000), 400, malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := b.ask(t, "POST", "/orders", test.body)
			wantProblem(t, r, test.status, test.code)

			if strings.Contains(r.body, `"value"`) || strings.Contains(r.body, "Go ") {
				t.Errorf("the answer shows too much: %s", r.body)
			}
		})
	}
}

func TestRefusalDoesNotRepeatTheBody(t *testing.T) {
	t.Parallel()
	b := serve(t)

	secret := "4111-1111-1111-1111"
	for _, body := range []string{
		`{"user_id":"` + secret + `","lines":[`,
		`{"user_id":"` + secret + `","lines":[{"sku":"` + secret + ` ","quantity":1}]}`,
		`{"user_id":["` + secret + `"],"lines":[]}`,
	} {
		if r := b.ask(t, "POST", "/orders", body); strings.Contains(r.body, secret) {
			t.Errorf("%s", r.body)
		}
	}
}

func TestRefusalOfManyMistakesIsShort(t *testing.T) {
	t.Parallel()
	b := serve(t)

	var body strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&body, `"key-%d":1,`, i)
	}

	long := `"` + strings.Repeat("k", 10_000) + `":1`

	r := b.ask(t, "POST", "/orders", `{`+body.String()+long+`}`)
	if p := wantProblem(t, r, 422, order.Invalid); len(p.Errors) != 20 || len(r.body) > 10_000 {
		t.Errorf("%d errors, %d bytes", len(p.Errors), len(r.body))
	}

	if r := b.ask(t, "POST", "/orders", `{`+long+`}`); len(r.body) > 2_000 {
		t.Errorf("%d bytes for one mistake", len(r.body))
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	b := serve(t)

	order64K := placeBody("u", "tea", 1)
	order64K += strings.Repeat(" ", 64<<10-len(order64K))

	if r := b.ask(t, "POST", "/orders", order64K); r.status != 201 {
		t.Errorf("a body of the limit: %d %s", r.status, r.body)
	}

	wantProblem(t, b.ask(t, "POST", "/orders", order64K+" "), 413, "body-too-large")
	wantProblem(t, b.ask(t, "PUT", "/products/tea", strings.Repeat(" ", 5<<10)), 413, "body-too-large")

	// A length that is told is refused before the body is sent.
	const head = "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for _, rest := range []string{"Content-Length: 65537\r\n", "Content-Length: 99999999999\r\nExpect: 100-continue\r\n"} {
		wantProblem(t, b.send(t, head+rest+"\r\n"), 413, "body-too-large")
	}

	// One that is not told is refused when too much has come, though more is to follow.
	chunk := "10001\r\n" + strings.Repeat(" ", 64<<10+1) + "\r\n"
	wantProblem(t, b.send(t, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk), 413, "body-too-large")
}

func TestSlowBodyTimesOut(t *testing.T) {
	t.Parallel()
	b := serve(t)

	r := b.send(t, "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	wantProblem(t, r, 408, "body-timeout")
}

// net/http waits for the rest of a body before it sends a response. The server of this test
// would wait for ever.
func TestResponsesDoNotWaitForBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1, 1)

	for head, status := range map[string]int{
		"POST /nowhere":  404,
		"DELETE /orders": 405,
		"POST /orders HTTP/1.1\r\nContent-Type: a/b":               415,
		"POST /orders HTTP/1.1\r\nAccept: a/b":                     406,
		"POST /orders?a=1&a=2":                                     422,
		"PUT /products/tea HTTP/1.1\r\nSec-Fetch-Site: cross-site": 403,
		"POST /products/tea/archive":                               200,
		"GET /products/tea":                                        200,
		"GET /openapi.json":                                        200,
	} {
		first, header, _ := strings.Cut(head, " HTTP/1.1\r\n")
		if header != "" {
			header += "\r\n"
		}

		for _, length := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
			r := b.send(t, first+" HTTP/1.1\r\nHost: x\r\n"+header+length+"\r\n\r\n")
			if r.status != status {
				t.Errorf("%s with %s: %d %s", first, length, r.status, r.body)
			}
		}
	}
}

func TestBodyThatBreaksOffIsNotOurFault(t *testing.T) {
	t.Parallel()
	b := serve(t)

	r := b.send(t, "POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	wantProblem(t, r, 400, malformed)
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for _, query := range []string{
		"/orders?unknown=1", "/orders?User_id=u", "/healthz?x=1", "/products?status=pending", // unknown
		"/orders?limit=0", "/orders?limit=201", "/orders?limit=-1", "/orders?limit=x", "/orders?limit=1.0", "/orders?limit=99999999999999999999",
		"/orders?status=paid", "/orders?status=Pending",
		"/orders?user_id=a%00b", "/orders?user_id=a%0A", "/orders?user_id=" + strings.Repeat("u", 129),
		"/orders?user_id=%zz", "/orders?user_id=u;limit=1", // would be passed over, and the list be everybody's
		"/orders?user_id=u&user_id=v",
		"/users/a%00b/points", "/users/" + strings.Repeat("u", 129) + "/notifications",
	} {
		wantProblem(t, b.ask(t, "GET", query, ""), 422, order.Invalid)
	}
}

// huma reads "true" for a parameter without "=" at the end: the list would be that of a customer of this name.
// A client may send the cursor of the first page, which is empty. Other parameters without a value are refused.
func TestACursorWithoutValueIsTheFirstPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1, 0)
	b.place(t, "u-1", "tea", 1)

	for _, query := range []string{"?cursor", "?cursor=", "?cursor&user_id=u-1"} {
		page := as[orderPage](t, b.ask(t, "GET", "/orders"+query, ""), 200)
		if len(page.Orders) != 1 {
			t.Errorf("%s: %+v", query, page.Orders)
		}
	}
}

// Bytes that are no text come through a path or a query; Postgres refuses them with SQLSTATE 22021.
func TestTextThatPostgresRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)

	wantProblem(t, b.ask(t, "GET", "/users/%ff/points", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/orders?user_id=%ff", ""), 422, order.Invalid)
}

func TestCursorsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)
	b.stock(t, "soap", 1250, 10)
	b.settle(t, b.place(t, "u", "tea", 1).ID, b.place(t, "u", "tea", 1).ID)

	paths := []string{"/orders", "/products", "/users/u/points", "/users/u/notifications"}
	cursors := map[string]string{}

	for _, path := range paths {
		cursor, _ := as[map[string]any](t, b.ask(t, "GET", path+"?limit=1", ""), 200)["next_cursor"].(string)
		if cursor == "" {
			t.Fatalf("%s has no next page", path)
		}

		cursors[path] = cursor
	}

	encode := base64.RawURLEncoding.EncodeToString

	for _, path := range paths {
		bad := []string{
			"x", "!", "e30", cursors[path] + "A", cursors[path][:len(cursors[path])-3], encode([]byte(`{}`)), encode([]byte(`null`)),
			encode([]byte(`{"list":"orders.0","after":"` + uuid.NewString() + `"}`)),
			encode([]byte(`{"list":"orders.1","after":7}`)),
			encode([]byte(`{"list":"products.1","after":{}}`)),
			strings.Repeat("A", 513),
		}

		for from, cursor := range cursors {
			if from != path {
				bad = append(bad, cursor)
			}
		}

		for _, cursor := range bad {
			wantProblem(t, b.ask(t, "GET", path+"?cursor="+cursor, ""), 422, "bad-cursor")
		}
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	b := serve(t)
	body := placeBody("u", "tea", 1)

	for _, accepted := range []string{"", "application/json", "application/json; charset=utf-8", "Application/JSON"} {
		var headers []string
		if accepted != "" {
			headers = []string{"Content-Type", accepted}
		}

		if r := b.ask(t, "POST", "/orders", body, headers...); r.status != 201 {
			t.Errorf("Content-Type %q: %d %s", accepted, r.status, r.body)
		}
	}

	for _, refused := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "json", ";"} {
		wantProblem(t, b.ask(t, "POST", "/orders", body, "Content-Type", refused), 415, "unsupported-media-type")
	}

	wantProblem(t, b.ask(t, "POST", "/orders", body, "Content-Encoding", "gzip"), 415, "unsupported-media-type")

	for _, second := range []string{"Content-Encoding: identity\r\nContent-Encoding: gzip", "Content-Type: application/json\r\nContent-Type: text/plain"} {
		r := b.send(t, fmt.Sprintf("POST /orders HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", second, len(body), body))
		wantProblem(t, r, 415, "unsupported-media-type")
	}

	if r := b.ask(t, "POST", "/orders", body, "Content-Encoding", "identity"); r.status != 201 {
		t.Errorf("Content-Encoding identity: %d %s", r.status, r.body)
	}

	for _, accepted := range []string{"*/*", "application/*", "text/html, */*;q=0.1", "application/json;q=0.5", "json, */*"} {
		r := b.ask(t, "POST", "/orders", body, "Accept", accepted)
		if r.status != 201 || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept %q: %d %s", accepted, r.status, r.header.Get("Content-Type"))
		}
	}
}

// huma would look at Accept only when the order has been placed.
func TestAnswerThatIsNotAcceptedHasNoEffect(t *testing.T) {
	t.Parallel()

	b := serve(t, func(o *api.Options) {
		o.Place = func(context.Context, flow.Placement) (flow.Placed, error) {
			t.Error("placed")

			return flow.Placed{}, groupcommit.ErrClosed
		}
	})

	for _, refused := range []string{"text/html", "application/json;q=0", "application/xml, text/*"} {
		wantProblem(t, b.ask(t, "POST", "/orders", placeBody("u", "tea", 1), "Accept", refused), 406, "not-acceptable")
	}
}

func TestAnswersHaveNoSchemaLinks(t *testing.T) {
	t.Parallel()
	b := serve(t)

	r := b.ask(t, "GET", "/healthz", "", "Host", "evil.example")
	if strings.Contains(r.body, "$schema") || r.header.Get("Link") != "" {
		t.Errorf("%s %v", r.body, r.header)
	}
}

// Both are integers in JSON Schema.
func TestIntegersMayHaveAFractionOfZero(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1, 0)

	for i, quantity := range []string{"1000", "1e3", "1000.0", "0.1E+4"} {
		body := fmt.Sprintf(`{"user_id":"u","lines":[{"sku":"tea","quantity":%s}]}`, quantity)
		r := b.ask(t, "POST", "/orders", body, "Idempotency-Key", "one")

		if o := as[api.Order](t, r, 201); o.Lines[0].Quantity != 1000 || (r.header.Get("Idempotent-Replayed") == "true") != (i > 0) {
			t.Errorf("%s: %s %v", quantity, r.body, r.header)
		}
	}
}

// An id has one form in the document, in bodies as in paths and queries.
func TestIDsHaveOneForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	letter := strconv.FormatInt(b.deadLetters(t, 1)[0], 10)
	id := uuid.NewString()

	for _, other := range []string{"{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), ""} {
		for _, path := range []string{"/dead-letters/" + letter + "/redrive", "/dead-letters/redrive"} {
			p := wantProblem(t, b.ask(t, "POST", path, `{"operation_id":"`+other+`"}`), 422, order.Invalid)
			if len(p.Errors) != 1 || p.Errors[0].Message != "expected string to be "+problem.UUID {
				t.Errorf("%s with id %q: %+v", path, other, p.Errors)
			}
		}
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"order_id":"{`+id+`}"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters?order_id=urn:uuid:"+id, ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"kind":"points","operation_id":null}`), 422, order.Invalid)
}

// Codes of one operation's fields are not given for another operation.
func TestRefusalsAreThoseOfTheOperation(t *testing.T) {
	t.Parallel()
	b := serve(t)

	wantProblem(t, b.ask(t, "GET", "/healthz?cursor=x", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/orders/"+uuid.NewString()+"/cancel", `{"lines":1}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/orders?cursor="+strings.Repeat("A", 513), ""), 422, "bad-cursor")
}

func TestMessagesAreInPlainWords(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for request, want := range map[[3]string]string{
		{"POST", "/orders", `{"user_id":"u","lines":[{"sku":"tea","quantity":1}],"hold_seconds":2592001}`}: "expected number <= 2592000",
		{"PUT", "/products/tea", `{"name":"n","price":1000000000001,"currency":"EUR"}`}:                    "expected number <= 1000000000000",
		{"PUT", "/products/tea", `{"name":"n","price":1,"currency":"eur"}`}:                                "expected string to be three capital letters",
		{"GET", "/orders?limit=x", ""}:                "expected integer",
		{"GET", "/orders/7", ""}:                      "expected string to be " + problem.UUID,
		{"GET", "/dead-letters/x", ""}:                "expected integer",
		{"GET", "/dead-letters/9007199254740992", ""}: "expected number <= 9007199254740991",
	} {
		p := wantProblem(t, b.ask(t, request[0], request[1], request[2]), 422, order.Invalid)
		if len(p.Errors) != 1 || p.Errors[0].Message != want {
			t.Errorf("%v: %+v, want %s", request, p.Errors, want)
		}
	}
}
