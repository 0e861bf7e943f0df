package page

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

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

	label := fmt.Sprintf("%d in the last 24 hours, at most %d in an hour; %d in the last hour",
		total, slices.Max(trend[:]), trend[len(trend)-1])

	return template.HTML(fmt.Sprintf( //nolint:gosec // numbers
		`<svg class="trend" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label=%q><title>%s</title>%s</svg>`,
		all, height, all, height, label, label, svg.String()))
}

// A Chart is counts of minutes as columns.
type Chart struct {
	Title string
	Class string    // of its colour
	Final time.Time // columns from then on may still grow
	Scale int64     // the count that is as tall as the chart; others may share it

	at     []time.Time
	counts []int64
}

// Add adds a minute.
func (c *Chart) Add(at time.Time, count int64) {
	c.at, c.counts = append(c.at, at.UTC()), append(c.counts, count)
}

// Most is the highest count.
func (c *Chart) Most() (most int64) {
	if len(c.counts) == 0 {
		return 0
	}

	return slices.Max(c.counts)
}

// Sum is the sum of the counts.
func (c *Chart) Sum() (sum int64) {
	for _, n := range c.counts {
		sum += n
	}

	return sum
}

// Last is the count of the last minute that is counted to its end.
func (c *Chart) Last() (last int64) {
	for i, at := range c.at {
		if at.Before(c.Final) {
			last = c.counts[i]
		}
	}

	return last
}

// Size of a chart, in units of its picture.
const (
	chartWidth, chartHeight = 360, 92
	columnsHeight           = 74 // the rest is for the times below
)

// SVG draws the chart. Its text says in numbers what it shows.
func (c *Chart) SVG() template.HTML {
	var svg strings.Builder

	step := float64(chartWidth) / float64(max(len(c.counts), 1))
	scale := max(c.Scale, 1)

	for i, n := range c.counts {
		class := "column"
		if !c.at[i].Before(c.Final) {
			class = "column open"
		}

		tall := float64(n) * columnsHeight / float64(scale)
		if n > 0 {
			tall = max(tall, 1.5)
		}

		fmt.Fprintf(&svg, `<g class=%q><rect class="hover" x="%.1f" y="0" width="%.1f" height="%d"></rect>`+
			`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"></rect><title>%s: %s</title></g>`,
			class, float64(i)*step, step, columnsHeight,
			float64(i)*step+0.5, columnsHeight-tall, step-1, tall, c.at[i].Format("15:04"), Number(n))
	}

	label := fmt.Sprintf("%s: %s in the last hour, at most %s in a minute, %s in the last full minute",
		c.Title, Number(c.Sum()), Number(c.Most()), Number(c.Last()))

	return template.HTML(fmt.Sprintf( //nolint:gosec // numbers and times
		`<svg class="chart %s" viewBox="0 0 %d %d" role="img" aria-label=%q>%s<path class="base" d="M0 %d.5H%d"></path>%s</svg>`,
		c.Class, chartWidth, chartHeight, label, svg.String(), columnsHeight, chartWidth, c.times(step)))
}

// times are the times below the columns: each quarter of an hour.
func (c *Chart) times(step float64) string {
	const quarter = 15 // minutes

	var svg strings.Builder

	for i, at := range c.at {
		if at.Minute()%quarter == 0 {
			fmt.Fprintf(&svg, `<text x="%.1f" y="%d">%s</text>`, (float64(i)+0.5)*step, chartHeight-3, at.Format("15:04"))
		}
	}

	return svg.String()
}
