package console

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"orders/db/deadletter"
)

// bars draws a trend as a small column chart.
func bars(trend deadletter.Trend) template.HTML {
	const (
		width, gap, height = 4, 1, 20
		all                = deadletter.TrendHours * (width + gap)
	)

	most := max(slices.Max(trend[:]), 1)

	var total int64

	var svg strings.Builder

	for i, n := range trend {
		total += n
		tall := int64(1)
		class := "nil"

		if n > 0 {
			tall, class = max(2, n*height/most), "bar"
		}

		fmt.Fprintf(&svg, `<rect class=%q x="%d" y="%d" width="%d" height="%d"></rect>`, class, i*(width+gap), height-tall, width, tall)
	}

	label := fmt.Sprintf("%d in the last 24 hours, at most %d in an hour; %d in the last hour", total, slices.Max(trend[:]), trend[len(trend)-1])

	return template.HTML(fmt.Sprintf( //nolint:gosec // numbers
		`<svg class="trend" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label=%q><title>%s</title>%s</svg>`,
		all, height, all, height, label, label, svg.String()))
}
