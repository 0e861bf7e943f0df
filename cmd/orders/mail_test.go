package main

import (
	"context"
	"io"
	"mime"
	"net"
	"net/http"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailDomain is that of the sender, and of the Message-IDs.
const mailDomain = "shop.example"

// nobody is in the addresses that the server does not know.
const nobody = "nobody"

// A mailbox is a mail server that takes everything, but for addresses that it does not know. As many do, it repeats these.
type mailbox struct {
	address string

	mu    sync.Mutex
	mails map[string]*netmail.Message // by Message-ID
	again int                         // mails that were there already
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()

	b := &mailbox{mails: map[string]*netmail.Message{}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{mailbox: b}, nil }))
	server.Domain, server.AllowInsecureAuth = "mail.example", true

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	b.address = listener.Addr().String()

	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	return b
}

type mailSession struct{ *mailbox }

func (mailSession) Reset()                               {}
func (mailSession) Logout() error                        { return nil }
func (mailSession) AuthMechanisms() []string             { return []string{sasl.Plain} }
func (mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.Contains(to, nobody) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + "> is unknown here"} //nolint:mnd // as the RFC numbers it
	}

	return nil
}

func (mailSession) Auth(string) (sasl.Server, error) { //nolint:ireturn // the library wants it
	return sasl.NewPlainServer(func(string, string, string) error { return nil }), nil
}

func (s mailSession) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	id := m.Header.Get("Message-Id")
	if s.mails[id] != nil {
		s.again++
	}

	s.mails[id] = m

	return nil
}

// subjects lists to whom mails went and their subjects.
func (b *mailbox) subjects(t *testing.T) (list []string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, m := range b.mails {
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil {
			t.Error(err)
		}

		list = append(list, strings.Trim(m.Header.Get("To"), "<>")+": "+subject)
	}

	slices.Sort(list)

	return list
}

// Customers with an address get mail in their language, what ended meanwhile is told once, and the others get none.
func TestMailReachesCustomers(t *testing.T) {
	t.Parallel()

	box := newMailbox(t)
	f := newFleet(t, 0)
	work := func() *process {
		health := address(t)
		p := start(t, map[string]string{
			"DATABASE_URL": f.url, "ORDERS_WORK_LISTEN": health, "SMTP_URL": "smtp://" + box.address + "?tls=none",
			"ORDERS_MAIL_FROM": "Orders <orders@shop.example>", "ORDERS_COMPENSATE_EVERY": "1s",
		}, "work")
		p.url = "http://" + health

		return p.ready()
	}
	place := func(body string) string {
		o, status, err := f.api.place("", body)
		if status != http.StatusCreated {
			t.Fatalf("%d, %v", status, err)
		}

		return o.ID
	}

	first := work()
	place(`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"reference":"n-1"}`)
	place(`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"email":"ada@example.com","reference":"n-2"}`)
	place(`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"email":"wei@example.com","locale":"zh-CN","reference":"n-3"}`)
	eventually(t, f.pool, 2, `SELECT count(*) FROM deliveries WHERE state = 'sent'`)
	first.kill()

	ended := place(`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"email":"bob@example.com","reference":"n-4"}`)

	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, f.api.url+"/orders/"+ended+"/cancel", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}

	response.Body.Close()

	work()
	eventually(t, f.pool, 3, `SELECT count(*) FROM deliveries WHERE state = 'sent' AND provider_id <> ''`)
	eventually(t, f.pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'suppressed' AND event_type = 'order.created' AND attempts = 0`)
	eventually(t, f.pool, 4, `SELECT count(*) FROM deliveries`)

	got := box.subjects(t)
	for i, want := range []string{"ada@example.com: ", "bob@example.com: ", "wei@example.com: "} {
		if len(got) != 3 || !strings.HasPrefix(got[i], want) || !strings.Contains(got[i], "n-") {
			t.Errorf("%q", got)
		}
	}

	if !strings.Contains(strings.Join(got, " "), "n-4") || strings.Contains(strings.Join(got, " "), "n-1") {
		t.Errorf("%q", got)
	}
}
