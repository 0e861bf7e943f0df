package console

import (
	"fmt"
	"html/template"
	"strings"

	"orders/api/console/page"
	"orders/order"
)

// A place is where the picture has a status.
type place struct {
	status order.Status
	x, y   int
}

// The picture's places and lines: those of the moves in package order. Widths fit the longest status.
const (
	boxWidth, boxHeight       = 128, 30
	pictureWidth, pictureHigh = 640, 170
)

var places = []place{
	{order.Pending, 0, 10},
	{order.AwaitingPayment, 256, 10},
	{order.Confirmed, 512, 10},
	{order.Rejected, 0, 130},
	{order.Failed, 170, 130},
	{order.Expired, 341, 130},
	{order.Cancelled, 512, 130},
}

// picture draws the statuses of an order: where it is, and where it can go from there.
func picture(o order.Order) template.HTML {
	reach := reachable(o.Status)

	var svg strings.Builder

	for _, from := range places {
		for _, to := range places {
			if from.status != to.status && leads(from.status, to.status) {
				svg.WriteString(line(from, to, edgeClass(o, reach, from.status, to.status)))
			}
		}
	}

	for _, p := range places {
		class := "away"

		switch {
		case p.status == o.Status:
			class = "here"
		case passed(o, p.status):
			class = "passed"
		case reach[p.status]:
			class = "ahead"
		}

		fmt.Fprintf(&svg, `<g class=%q><rect x="%d" y="%d" width="%d" height="%d" rx="6"></rect><text x="%d" y="%d">%s</text></g>`,
			class, p.x, p.y, boxWidth, boxHeight, p.x+boxWidth/2, p.y+boxHeight/2+5, page.Words(p.status))
	}

	label := "The order is " + page.Words(o.Status) + "."
	if len(reach) > 0 {
		label += " It can still change."
	}

	return template.HTML(fmt.Sprintf( //nolint:gosec // numbers, and statuses of the program
		`<svg class="states %s" viewBox="-2 0 %d %d" role="img" aria-label=%q>`+
			`<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">`+
			`<path d="M0 0L8 4L0 8z"></path></marker></defs>%s</svg>`,
		o.Status, pictureWidth+4, pictureHigh, label, svg.String()))
}

var events = []order.Event{order.Reserve, order.Hold, order.Reject, order.Pay, order.Cancel, order.Expire, order.GiveUp}

// leads tells whether an event moves an order from one status to the other.
func leads(from, to order.Status) bool {
	for _, e := range events {
		if next, err := from.Next(e); err == nil && next == to {
			return true
		}
	}

	return false
}

// reachable are the statuses that an order can still go to.
func reachable(from order.Status) map[order.Status]bool {
	reach := map[order.Status]bool{}

	var walk func(order.Status)

	walk = func(s order.Status) {
		for _, p := range places {
			if p.status != s && !reach[p.status] && leads(s, p.status) {
				reach[p.status] = true
				walk(p.status)
			}
		}
	}
	walk(from)

	return reach
}

// passed tells whether an order surely was in a status before.
func passed(o order.Order, s order.Status) bool {
	return s == order.Pending && o.Status != order.Pending ||
		s == order.AwaitingPayment && o.HoldUntil != nil && o.Status == order.Confirmed
}

func edgeClass(o order.Order, reach map[order.Status]bool, from, to order.Status) string {
	been := func(s order.Status) bool { return s == o.Status || passed(o, s) }

	switch {
	case been(from) && been(to) && (to == o.Status || passed(o, to)) && !skipped(o, from, to):
		return "passed"
	case (from == o.Status || reach[from]) && reach[to]:
		return "ahead"
	default:
		return "away"
	}
}

// skipped tells whether an order went another way between two of its statuses.
func skipped(o order.Order, from, to order.Status) bool {
	return from == order.Pending && to == order.Confirmed && passed(o, order.AwaitingPayment)
}

// line is the line of a move. The move that passes over a box goes around it.
func line(from, to place, class string) string {
	var path string

	switch {
	case from.y == to.y && to.x-from.x > 256+boxWidth: // pending to confirmed
		path = fmt.Sprintf("M%d %d C%d %d %d %d %d %d", from.x+boxWidth, from.y+24, from.x+250, from.y+62, to.x-122, to.y+62, to.x, to.y+24)
	case from.y == to.y:
		path = fmt.Sprintf("M%d %d L%d %d", from.x+boxWidth, from.y+10, to.x, to.y+10)
	default:
		shift := (to.x - from.x) / 16
		path = fmt.Sprintf("M%d %d C%d %d %d %d %d %d", from.x+boxWidth/2+shift, from.y+boxHeight,
			from.x+boxWidth/2+shift, from.y+80, to.x+boxWidth/2-shift, to.y-50, to.x+boxWidth/2-shift, to.y)
	}

	return fmt.Sprintf(`<path class="move %s" d=%q marker-end="url(#tip)"></path>`, class, path)
}
