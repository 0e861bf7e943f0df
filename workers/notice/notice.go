// Package notice sends customers by mail what their inbox has: it makes mails of events.
package notice

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/order"
	"orders/order/message"
	"orders/workers/deliver"
	"orders/workers/mail"
)

// A Sender sends the mails of events.
type Sender struct {
	Mail *mail.Sender
}

// Types are the events that customers get mail about.
func Types() (types []event.Type) {
	for _, t := range event.Types() {
		if _, told := templateOf(t); told {
			types = append(types, t)
		}
	}

	return types
}

// templateOf is the message that tells an event; false if none does.
func templateOf(t event.Type) (order.Template, bool) {
	template := order.Template(strings.TrimPrefix(string(t), "order."))

	return template, slices.Contains(order.Templates(), template)
}

// Prepare writes the mails. An order without an address has none. That an order was created is not told any more when
// it has ended: its end is told instead.
func (s *Sender) Prepare(ctx context.Context, q db.Querier, due []delivery.Due) ([]deliver.Message, error) {
	ids := make([]uuid.UUID, len(due))
	for i, d := range due {
		ids[i] = d.OrderID
	}

	recipients, err := delivery.Recipients(ctx, q, ids)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what was done
	}

	messages := make([]deliver.Message, len(due))
	for i, d := range due {
		messages[i] = messageOf(d, recipients)
	}

	return messages, nil
}

func messageOf(d delivery.Due, recipients map[uuid.UUID]delivery.Recipient) deliver.Message {
	m := deliver.Message{Due: d}
	template, told := templateOf(d.Type)
	to, known := recipients[d.OrderID]

	switch {
	case !told || !known:
		m.Skip = true
	case template == order.NoticeCreated && to.Status.Final():
		m.Suppressed = "the order has ended, which is told instead"
	default:
		text, err := message.Compose(template, to.Locale, message.Order{ID: d.OrderID, Reference: to.Reference})
		if err != nil {
			m.Suppressed = "there is no such message"
		}

		m.Content = mail.Mail{Event: d.ID(), To: to.Email, Mail: text}
	}

	return m
}

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, _ delivery.Endpoint, m deliver.Message) deliver.Answer {
	content, _ := m.Content.(mail.Mail)
	a := s.Mail.Send(ctx, content)

	return deliver.Answer{
		Arrived: a.Outcome == mail.Sent, Refused: a.Outcome == mail.Failed, Alone: a.Alone,
		Status: a.Status, Text: a.Text, ProviderID: a.ProviderID,
	}
}
