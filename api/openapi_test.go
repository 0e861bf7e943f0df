package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orders/api"
	"orders/db/idempotency"
	"orders/order"
)

func TestOpenAPIFileIsNotStale(t *testing.T) {
	t.Parallel()

	want, err := api.OpenAPI("1")
	if err != nil {
		t.Fatal(err)
	}

	got, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}

	if string(got) != string(want) {
		t.Error("openapi.yaml is stale: run go generate ./cmd/orders")
	}
}

// node is a part of the document.
type node = map[string]any

func document(t *testing.T, b *bundle) node {
	t.Helper()

	r := b.ask(t, "GET", "/openapi.json", "")
	if got := r.header.Get("Content-Type"); got != "application/openapi+json" {
		t.Errorf("Content-Type = %q", got)
	}

	return as[node](t, r, 200)
}

// at walks into the document; nil where there is nothing.
func at(n any, path ...string) any {
	for _, name := range path {
		m, ok := n.(node)
		if !ok {
			return nil
		}

		n = m[name]
	}

	return n
}

func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	b := serve(t)

	doc := document(t, b)
	if at(doc, "openapi") != "3.1.0" || at(doc, "info", "version") != "test" {
		t.Errorf("%v %v", doc["openapi"], doc["info"])
	}

	yaml := b.ask(t, "GET", "/openapi.yaml", "")
	if yaml.status != 200 || yaml.header.Get("Content-Type") != "application/openapi+yaml" || !strings.Contains(yaml.body, "operationId: place-order") {
		t.Errorf("%d %v", yaml.status, yaml.header)
	}
}

// eachOperation calls f with every operation.
func eachOperation(t *testing.T, doc node, f func(t *testing.T, name string, op node)) {
	t.Helper()

	n := 0

	for path, item := range at(doc, "paths").(node) {
		for method, op := range item.(node) {
			n++

			f(t, strings.ToUpper(method)+" "+path, op.(node))
		}
	}

	if n < 31 {
		t.Errorf("%d operations", n)
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	doc := document(t, serve(t))
	ids := map[any]bool{}

	eachOperation(t, doc, func(t *testing.T, name string, op node) {
		t.Helper()

		for _, member := range []string{"operationId", "summary", "description"} {
			if text, _ := op[member].(string); text == "" {
				t.Errorf("%s has no %s", name, member)
			}
		}

		if tags, _ := op["tags"].([]any); len(tags) != 1 {
			t.Errorf("%s has the tags %v", name, op["tags"])
		}

		if ids[op["operationId"]] {
			t.Errorf("operationId %v is there twice", op["operationId"])
		}

		ids[op["operationId"]] = true

		for _, p := range list(op["parameters"]) {
			if at(p, "description") == "" || at(p, "description") == nil {
				t.Errorf("%s: parameter %v has no description", name, at(p, "name"))
			}
		}

		if body := op["requestBody"]; body != nil && at(body, "content", "application/json", "example") == nil {
			t.Errorf("%s: the body has no example", name)
		}

		checkResponses(t, doc, name, op)
	})
}

func checkResponses(t *testing.T, doc node, name string, op node) {
	t.Helper()

	want := []string{"406", "422", "500"}
	if op["requestBody"] != nil {
		want = append(want, "400", "408", "413", "415")

		if at(op, "responses", "503", "content", "application/problem+json", "examples", "in-flight-limit") == nil {
			t.Errorf("%s does not tell of too many slow bodies", name)
		}
	}

	if !strings.HasPrefix(name, "GET ") {
		want = append(want, "403")
	}

	if name != "POST /orders" && at(op, "responses", "503", "content", "application/problem+json", "examples", "overloaded") != nil {
		t.Errorf("%s tells of overload, for which only new orders are refused", name)
	}

	if !strings.HasSuffix(name, "/healthz") {
		want = append(want, "503")
	}

	responses := op["responses"].(node)

	for _, status := range want {
		if responses[status] == nil {
			t.Errorf("%s has no response %s", name, status)
		}
	}

	if ref := at(responses, "default", "$ref"); ref != "#/components/responses/Problem" {
		t.Errorf("%s has the default response %v", name, ref)
	}

	for status, response := range responses {
		if status == "default" {
			continue
		}

		if at(response, "headers", "X-Request-Id") == nil || at(response, "description") == "" {
			t.Errorf("%s %s: %v", name, status, response)
		}

		if (at(response, "headers", "Retry-After") != nil) != (status == "503" || status == "429") {
			t.Errorf("%s %s: Retry-After", name, status)
		}

		if status == "204" || status == "304" {
			continue
		}

		if status < "300" {
			media := "application/json"
			if name == "GET /orders/{id}/events" {
				media = "text/event-stream"
			}

			if at(response, "content", media, "example") == nil {
				t.Errorf("%s %s has no example", name, status)
			}

			continue
		}

		examples, _ := at(response, "content", "application/problem+json", "examples").(node)
		if len(examples) == 0 {
			t.Errorf("%s %s has no example", name, status)
		}

		for code := range examples {
			if value := at(doc, "components", "examples", code, "value"); fmt.Sprint(at(value, "status")) != status {
				t.Errorf("%s %s: example %s is %v", name, status, code, value)
			}
		}
	}
}

func list(v any) []any {
	l, _ := v.([]any)

	return l
}

func TestPlacingIsDocumentedWhole(t *testing.T) {
	t.Parallel()
	doc := document(t, serve(t))
	op := at(doc, "paths", "/orders", "post")

	for _, header := range []string{"Location", "Idempotent-Replayed"} {
		if text, _ := at(op, "responses", "201", "headers", header, "description").(string); text == "" {
			t.Errorf("header %s is not described", header)
		}
	}

	i := slices.IndexFunc(list(at(op, "parameters")), func(p any) bool { return at(p, "name") == "Idempotency-Key" })
	if i < 0 || !strings.Contains(fmt.Sprint(list(at(op, "parameters"))[i]), strconv.Itoa(int(idempotency.Retention.Hours()))+" hours") {
		t.Error("the retention of keys is not told")
	}

	for path, want := range map[string]float64{
		"NewOrder.lines.maxItems":         order.MaxLines,
		"NewOrderLine.quantity.maximum":   order.MaxQuantity,
		"ProductTerms.price.maximum":      order.MaxPrice,
		"NewReceipt.quantity.maximum":     order.MaxReceipt,
		"NewOrder.hold_seconds.maximum":   order.MaxHold.Seconds(),
		"NewOrder.user_id.maxLength":      128,
		"ProductTerms.name.maxLength":     200,
		"NewReceipt.reference.maxLength":  128,
		"NewOrderLine.quantity.minimum":   1,
		"NewOrder.additionalProperties":   0,
		"Order.total.maximum":             order.MaxExact,
		"DeadLetter.job_id.maximum":       order.MaxExact,
		"NewReceipt.additionalProperties": 0,
	} {
		parts := strings.Split(path, ".")
		if len(parts) == 3 {
			parts = []string{parts[0], "properties", parts[1], parts[2]}
		}

		got := at(doc, append([]string{"components", "schemas"}, parts...)...)
		if is, ok := got.(bool); ok {
			got = map[bool]float64{true: 1}[is]
		}

		if got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
}

func TestDescriptionListsTheProblems(t *testing.T) {
	t.Parallel()
	doc := document(t, serve(t))
	text := at(doc, "info", "description").(string)

	for code, example := range at(doc, "components", "examples").(node) {
		row := fmt.Sprintf("| `/problems/%s` | %v | %s |", code, at(example, "value", "status"), at(example, "value", "title"))
		if !strings.Contains(text, row) {
			t.Errorf("the description has no row %s", row)
		}
	}
}

func TestReferencesOfTheDocumentExist(t *testing.T) {
	t.Parallel()
	doc := document(t, serve(t))

	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}

	references := regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(references) < 100 {
		t.Errorf("%d references", len(references))
	}

	for _, reference := range references {
		if at(doc, strings.Split(reference[1], "/")...) == nil {
			t.Errorf("%s does not exist", reference[1])
		}
	}
}

// A pattern is read by ECMA 262 elsewhere: only what both it and RE2 have may be in it.
func TestPatternsAreForAnyReader(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(document(t, serve(t)))
	if err != nil {
		t.Fatal(err)
	}

	patterns := regexp.MustCompile(`"pattern":("[^"]*")`).FindAllStringSubmatch(string(text), -1)
	if len(patterns) < 10 {
		t.Errorf("%d patterns", len(patterns))
	}

	for _, p := range patterns {
		var pattern string
		if err := json.Unmarshal([]byte(p[1]), &pattern); err != nil {
			t.Fatal(err)
		}

		if !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") || regexp.MustCompile(`\\[^x]|\(\?|\[\[|\\x\{`).MatchString(pattern) {
			t.Errorf("pattern %s", pattern)
		}
	}
}

// The example of the body is a body that is taken.
func TestExamplesWork(t *testing.T) {
	t.Parallel()
	b := setup(t)

	type call struct {
		method string
		path   string
		op     node
	}

	var calls []call

	letter := strconv.FormatInt(b.deadLetters(t, 1)[0], 10)
	hook, delivery := b.webhook(t)
	b.stock(t, "tea", 1250, 2)

	held := as[api.Order](t, b.ask(t, "POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":2}],"hold_seconds":60}`), 201)
	b.apply(t, order.Inventory, held.ID)

	eachOperation(t, document(t, b), func(_ *testing.T, name string, op node) {
		method, path, _ := strings.Cut(name, " ")
		calls = append(calls, call{method, strings.NewReplacer("/webhooks/{id}", "/webhooks/"+hook, "{delivery_id}", delivery, "{sku}", "tea", "{job_id}", letter,
			"{id}", held.ID.String()).Replace(path), op})
	})

	slices.SortFunc(calls, func(a, b call) int { return strings.Compare(b.method+b.path, a.method+a.path) }) // the product first

	for _, c := range calls {
		if c.op["requestBody"] == nil {
			continue
		}

		body, err := json.Marshal(at(c.op, "requestBody", "content", "application/json", "example"))
		if err != nil {
			t.Fatal(err)
		}

		if r := b.ask(t, c.method, c.path, string(body)); r.status > 201 {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
}
