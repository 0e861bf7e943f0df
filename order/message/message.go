// Package message has all that customers read: the text in the inbox, and the mail, of each
// [order.Template] in each [order.Locale]. Their files are LOCALE/TEMPLATE.PART. A translation
// is a folder more.
package message

import (
	"embed"
	"fmt"
	html "html/template"
	"io"
	"strings"
	text "text/template"
	"unicode"

	"github.com/google/uuid"

	"orders/order"
)

//go:embed en zh-CN
var files embed.FS

// An Order is what a mail says of its order.
type Order struct {
	ID        uuid.UUID
	Reference string // the client's own number; empty if it has none
}

// Name is how the customer knows the order. It is one line: it becomes a part of the subject.
func (o Order) Name() string {
	if name := line(o.Reference); name != "" {
		return name
	}

	return o.ID.String()
}

// A Mail is the content of a mail.
type Mail struct {
	Subject string // one line
	Text    string
	HTML    string
}

// Inbox is the template's text in a customer's inbox; empty if there is no such template.
func Inbox(t order.Template, l order.Locale) string { return contents[key{l.OrDefault(), t}].inbox }

// Compose writes the template's mail about an order.
func Compose(t order.Template, l order.Locale, o Order) (Mail, error) {
	c, ok := contents[key{l.OrDefault(), t}]
	if !ok {
		return Mail{}, fmt.Errorf("no message %q in %q", t, l)
	}

	var m Mail

	for _, part := range []struct {
		from interface {
			Execute(w io.Writer, data any) error
		}
		to *string
	}{{c.subject, &m.Subject}, {c.text, &m.Text}, {c.html, &m.HTML}} {
		var b strings.Builder

		if err := part.from.Execute(&b, o); err != nil {
			return Mail{}, fmt.Errorf("compose message %q: %w", t, err)
		}

		*part.to = b.String()
	}

	m.Subject = line(m.Subject)

	return m, nil
}

// line makes a text one line: a header that has a line break may become two headers.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

type key struct {
	locale   order.Locale
	template order.Template
}

type content struct {
	inbox         string
	subject, text *text.Template
	html          *html.Template // escapes what it inserts
}

// contents are read once: a file that is missing ends each program and test at its start.
var contents = read()

func read() map[key]content {
	all := map[key]content{}

	for _, l := range order.Locales() {
		for _, t := range order.Templates() {
			part := func(name string) string {
				file, err := files.ReadFile(string(l) + "/" + string(t) + "." + name)
				if err != nil {
					panic(err) //nolint:forbidigo // the file is a part of the program
				}

				return string(file)
			}

			all[key{l, t}] = content{
				inbox:   strings.TrimSpace(part("inbox.txt")),
				subject: text.Must(text.New("subject").Parse(part("subject.txt"))),
				text:    text.Must(text.New("text").Parse(part("text.txt"))),
				html:    html.Must(html.New("html").Parse(part("html"))),
			}
		}
	}

	return all
}
