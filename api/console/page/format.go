package page

import (
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"orders/order"
)

// templates are the pages by name. Each is parsed with the layout and the parts.
var templates = sync.OnceValue(func() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/part-*.html"))
	pages := map[string]*template.Template{}

	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) //nolint:forbidigo // the pattern is part of the program
	}

	for _, name := range names {
		file := path.Base(name)
		if file == "layout.html" || strings.HasPrefix(file, "part-") {
			continue
		}

		pages[strings.TrimSuffix(file, ".html")] = template.Must(template.Must(shared.Clone()).ParseFS(files, name))
	}

	return pages
})

// functions are what templates call.
var functions = template.FuncMap{
	"when":     when,
	"clock":    func(t time.Time) template.HTML { return moment(t, "15:04:05") },
	"ago":      ago,
	"duration": duration,
	"number":   Number,
	"money":    money,
	"rate":     rate,
	"prose":    prose,
	"cell":     cell,
	"pill":     pill,
	"words":    Words,
	"tail":     Tail,
	"share":    share,
	"bars":     bars,
	"add":      func(a, b int) int { return a + b },
	"list":     func(values ...any) []any { return values },
}

// when shows a time. All times are UTC, as in the log.
func when(at any) template.HTML {
	switch t := at.(type) {
	case time.Time:
		return moment(t, time.DateTime)
	case *time.Time:
		if t != nil {
			return moment(*t, time.DateTime)
		}
	}

	return `<span class="none">–</span>`
}

func moment(t time.Time, layout string) template.HTML {
	t = t.UTC()

	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s UTC">%s</time>`, //nolint:gosec // formats of times
		t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05.000"), t.Format(layout)))
}

// ago says how long ago a time was, or how long it is until then.
func ago(now time.Time, at any) string {
	t, isTime := at.(time.Time)
	if p, isPointer := at.(*time.Time); isPointer && p != nil {
		t, isTime = *p, true
	}

	if !isTime {
		return "–"
	}

	if d := now.Sub(t); d >= 0 {
		return duration(d) + " ago"
	}

	return "in " + duration(t.Sub(now))
}

// duration rounds to what a reader can compare.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	default:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
}

// Number writes an integer, or a pointer to one, with its thousands apart.
func Number(value any) string {
	if n, isPointer := value.(*int64); isPointer {
		value = *n
	}

	digits := fmt.Sprint(value)
	sign := ""

	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		digits, sign = rest, "−"
	}

	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}

	return sign + digits
}

// rate writes a number a minute.
func rate(value float64) string {
	if value < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
	}

	return Number(int64(math.Round(value)))
}

// money writes an amount in minor units in the units of its currency, with its thousands apart.
func money(minor int64, code string) string {
	text := order.Money(minor, code)
	whole := strings.IndexAny(text, ". ")

	return Number(text[:whole]) + text[whole:]
}

// Words writes a value of the API in words.
func Words(value any) string { return strings.ReplaceAll(fmt.Sprint(value), "_", " ") }

// cell shows a value of a report as a cell of its table.
func cell(column string, value any) template.HTML {
	text := fmt.Sprint(value)
	address := map[string]string{
		"order_id": "/console/orders/", "user_id": "/console/points?user_id=", "sku": "/console/stock/",
	}[column]

	switch v := value.(type) {
	case nil:
		return `<td class="none">–</td>`
	case time.Time:
		return `<td class="time">` + when(v) + `</td>`
	case int64:
		if address == "" {
			return template.HTML(`<td class="n">` + Number(v) + `</td>`) //nolint:gosec // digits
		}
	case float64:
		return template.HTML(`<td class="n">` + strconv.FormatFloat(v, 'f', -1, 64) + `</td>`) //nolint:gosec // digits
	}

	shown := template.HTMLEscapeString(text)
	if address != "" {
		shown = fmt.Sprintf(`<a href="%s%s">%s</a>`, address, url.QueryEscape(text), shown)
	}

	return template.HTML(`<td class="value">` + shown + `</td>`) //nolint:gosec // escaped
}

// prose shows a sentence whose commands are between backticks.
func prose(text string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	for i := 1; i < len(parts)-1; i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}

	return template.HTML(strings.Join(parts, "")) //nolint:gosec // escaped
}

// tones are the colours of states. A state that is not listed has none. The text always says the
// state, too.
var tones = map[string]string{
	"confirmed": "good", "done": "good", "redriven": "good", "applied": "good", "already_applied": "good", "alive": "good", "ok": "good",
	"completed": "good", "active": "good", "sent": "good", "eligible": "good", "in stock": "good", "resolved": "good", "shrinking": "good",
	"pending": "busy", "waiting": "busy", "running": "busy", "available": "busy", "awaiting_payment": "busy", "live": "busy",
	"live_job_exists": "busy", "scheduled": "busy", "leader": "busy",
	"retrying": "warn", "retryable": "warn", "paused": "warn", "low": "warn", "transient": "warn", "attention": "warn",
	"warning": "warn", "growing": "warn", "failing": "warn",
	"dead": "bad", "failed": "bad", "rejected": "bad", "broken": "bad", "permanent": "bad", "poison": "bad", "not_redrivable": "bad",
	"open": "bad", "revoked": "bad", "disabled": "bad", "discarded": "bad", "critical": "bad", "sold out": "bad", "no worker": "bad",
}

// pill shows a state as a word in its colour.
func pill(state any) template.HTML {
	text := fmt.Sprint(state)

	return template.HTML(fmt.Sprintf(`<span class="pill %s">%s</span>`, //nolint:gosec // escaped
		tones[text], template.HTMLEscapeString(Words(text))))
}

// Tail is the end of an id. Ids begin with a time, so that those of one minute begin alike.
func Tail(id any) string {
	text := fmt.Sprint(id)

	return text[max(0, len(text)-12):]
}

// share is a part of a whole in percent, for the width of a bar.
func share(part, whole int64) string {
	if whole <= 0 {
		return "0"
	}

	return strconv.FormatInt(100*part/whole, 10)
}
