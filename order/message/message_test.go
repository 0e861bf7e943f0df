package message_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"

	"orders/order"
	"orders/order/message"
)

func TestEachMessageIsThereInEachLanguage(t *testing.T) {
	t.Parallel()

	id := uuid.Must(uuid.NewV7())
	seen := map[string]string{}

	for _, l := range order.Locales() {
		for _, template := range order.Templates() {
			name := string(l) + " " + string(template)

			m, err := message.Compose(template, l, message.Order{ID: id})
			if err != nil {
				t.Fatal(err)
			}

			for part, text := range map[string]string{"subject": m.Subject, "text": m.Text, "html": m.HTML} {
				if !strings.Contains(text, id.String()) || strings.Contains(text, "<no value>") {
					t.Errorf("%s: %s = %q", name, part, text)
				}
			}

			if !strings.Contains(m.HTML, `<html lang="`+string(l)+`">`) {
				t.Errorf("%s: %q", name, m.HTML)
			}

			inbox := message.Inbox(template, l)

			for _, text := range []string{inbox, m.Subject, m.Text, m.HTML} {
				if strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) != (l == order.SimplifiedChinese) {
					t.Errorf("%s: %q is in another language", name, text)
				}

				if first := seen[text]; first != "" || text == "" {
					t.Errorf("%s: %q is empty, or a text of %s", name, text, first)
				}

				seen[text] = name
			}
		}
	}

	if got := message.Inbox(order.NoticeCreated, ""); got != "your order has been created" {
		t.Errorf("by default %q", got)
	}

	if _, err := message.Compose("other", "", message.Order{}); err == nil || message.Inbox("other", "") != "" {
		t.Error("there is a message of another template")
	}
}

func TestAReferenceIsOnlyText(t *testing.T) {
	t.Parallel()

	m, err := message.Compose(order.NoticeCreated, "", message.Order{Reference: "a\r\nBcc: x@y.example\u2028<b>&\x00{{.}}"})
	if err != nil {
		t.Fatal(err)
	}

	if want := "Your order a Bcc: x@y.example <b>& {{.}} has been created"; m.Subject != want {
		t.Errorf("the subject is %q, not %q", m.Subject, want)
	}

	if !strings.Contains(m.HTML, "a Bcc: x@y.example &lt;b&gt;&amp; {{.}}") || strings.Contains(m.HTML, "<b>") {
		t.Errorf("the page is %q", m.HTML)
	}

	if strings.ContainsAny(m.Text, "\r\x00") {
		t.Errorf("the text is %q", m.Text)
	}
}
