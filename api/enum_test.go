package api_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"orders/api/problem"
	"orders/db/action"
	"orders/db/audit"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/report"
	"orders/db/timeline"
	"orders/order"
	"orders/order/explain"
	"orders/order/repair"
)

// Enums of the document are components with the values of their one list in Go.
func TestEnumsAreTheListsOfGo(t *testing.T) {
	t.Parallel()

	want := map[string][]string{
		"OrderStatus":          strs(order.Statuses()),
		"Locale":               strs(order.Locales()),
		"StatusReasonCode":     strs(order.ReasonCodes()),
		"StepName":             stepNames(),
		"StepState":            strs(order.StepStates()),
		"DeadLetterReason":     strs(deadletter.Reasons()),
		"DeadLetterResolution": strs(deadletter.Resolutions()),
		"DeadLetterState":      {"open", "resolved", "all"},
		"RedriveOutcome":       strs(repair.Outcomes()),
		"ResolveOutcome":       strs(repair.ResolveOutcomes()),
		"WhyCode":              strs(explain.Codes()),
		"NotificationTemplate": strs(order.Templates()),
		"TimelineType":         strs(timeline.Types()),
		"EventType":            strs(event.Types()),
		"DeliveredType":        append(strs(event.Types()), string(event.EndpointTest)),
		"WebhookState":         strs(delivery.EndpointStates()),
		"DeliveryChannel":      strs(delivery.Kinds()),
		"DeliveryState":        strs(delivery.States()),
		"ActionName":           strs(action.Names()),
		"ActionTarget":         strs(action.Kinds()),
		"Identification":       strs(order.Identifications()),
		"AuditMode":            {audit.Incremental, audit.Full},
		"ReportParameterType":  strs(report.Types()),
		"ReportFormat":         {"json", "csv"},
		"ProductState":         {"active", "archived", "all"},
		"AdjustmentReason":     strs(order.AdjustmentReasons()),
		"PointsEntryKind":      {"earn", "reverse"},
	}
	for _, code := range problem.Codes() {
		want["ProblemType"] = append(want["ProblemType"], "/problems/"+string(code))
	}

	doc := document(t, serve(t))
	snake := regexp.MustCompile(`^[a-z0-9_]*(\.[a-z0-9_]+)?$`) // types of events are two words
	used := map[string]bool{}

	walk(doc, "", func(path string, n node) {
		if ref, _ := n["$ref"].(string); ref != "" {
			used[strings.TrimPrefix(ref, "#/components/schemas/")] = true
		}

		if n["enum"] == nil {
			return
		}

		var values []string
		for _, v := range list(n["enum"]) {
			values = append(values, fmt.Sprint(v))
		}

		if len(values) > 1 && path != "/components/schemas/ProblemType" && path != "/components/schemas/Locale" && slices.ContainsFunc(values, func(v string) bool { return !snake.MatchString(v) }) {
			t.Errorf("%s has the values %q", path, values)
		}

		name, isComponent := strings.CutPrefix(path, "/components/schemas/")

		switch expected, listed := want[name]; {
		case len(values) == 1: // a constant
		case !isComponent || !listed:
			t.Errorf("%s is an enum without a name: %q", path, values)
		case !slices.Equal(values, expected):
			t.Errorf("%s has the values %q, want %q", name, values, expected)
		}
	})

	for name := range want {
		if !used[name] || at(doc, "components", "schemas", name, "description") == nil {
			t.Errorf("%s is not used or has no description", name)
		}
	}
}

func stepNames() (names []string) {
	for _, step := range order.Steps() {
		names = append(names, string(step.Name))
	}

	return names
}

func strs[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}

	return texts
}

// walk calls f with every object of the document, except examples.
func walk(n any, path string, f func(path string, n node)) {
	switch n := n.(type) {
	case node:
		f(path, n)

		for name, child := range n {
			if name != "example" && name != "examples" {
				walk(child, path+"/"+name, f)
			}
		}
	case []any:
		for i, child := range n {
			walk(child, fmt.Sprintf("%s/%d", path, i), f)
		}
	}
}

// A value that the list does not have is refused, wherever it is sent.
func TestValuesBeyondAnEnumAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for _, query := range []string{"/orders?status=paid", "/dead-letters?reason=boredom", "/dead-letters?state=closed", "/dead-letters/groups?reason=x"} {
		p := wantProblem(t, b.ask(t, "GET", query, ""), 422, order.Invalid)
		if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "expected value to be one of") {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"reason":"boredom"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"reason":""}`), 422, order.Invalid)
}
