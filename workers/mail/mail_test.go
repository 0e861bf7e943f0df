package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"orders/order"
	"orders/order/message"
	"orders/workers/mail"
)

// A mailbox is a mail server. What it does depends on whom a mail is for.
type mailbox struct {
	address  string
	listener net.Listener
	stop     chan struct{} // closed when the test ends
	server   *smtp.Server

	mu       sync.Mutex
	conns    []*smtp.Conn
	mails    []string
	logins   int
	unsecure int // mails that came without TLS
}

var certificate = sync.OnceValue(func() *httptest.Server { return httptest.NewTLSServer(nil) })

// trust is a configuration that trusts the mailbox's certificate.
func trust() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Certificate())

	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func serve(t *testing.T, secure, implicit bool) *mailbox {
	t.Helper()

	b := &mailbox{stop: make(chan struct{})}
	b.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		b.mu.Lock()
		defer b.mu.Unlock()

		b.conns = append(b.conns, c)

		return &session{mailbox: b, conn: c}, nil
	}))
	b.server.Domain = "mail.example"
	b.server.ErrorLog = discard{}

	config := &tls.Config{Certificates: certificate().TLS.Certificates, MinVersion: tls.VersionTLS12}
	if secure && !implicit {
		b.server.TLSConfig = config
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	b.address, b.listener = listener.Addr().String(), listener
	if implicit {
		listener = tls.NewListener(listener, config)
	}

	go b.server.Serve(listener)

	t.Cleanup(func() {
		close(b.stop)
		b.server.Close()
	})

	return b
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (b *mailbox) sender(t *testing.T, scheme, login, query string) *mail.Sender {
	t.Helper()

	s, err := mail.New(mail.Options{
		URL: scheme + "://" + login + b.address + query, From: "Orders <orders@shop.example>", TLS: trust(), Timeout: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(s.Close)

	return s
}

func (b *mailbox) received() []string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Clone(b.mails)
}

func (b *mailbox) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()

	return len(b.conns)
}

type session struct {
	*mailbox

	conn *smtp.Conn
	to   string
}

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) AuthMechanisms() []string             { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) { //nolint:ireturn // the library wants it
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "shop" || password != "p@ss" {
			return smtp.ErrAuthFailed
		}

		s.mu.Lock()
		defer s.mu.Unlock()

		s.logins++

		return nil
	}), nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to, _, _ = strings.Cut(to, "@")

	switch s.to {
	case "greylisted":
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "<" + to + "> come again"}
	case "unknown":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + "> is not known"}
	case "relay":
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	}

	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}

	switch s.to {
	case "full":
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox is full"}
	case "spam":
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "this is spam"}
	case "closing":
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}
	case "hang":
		<-s.stop
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.mails = append(s.mails, string(text))

	if _, secure := s.conn.TLSConnectionState(); !secure {
		s.unsecure++
	}

	if s.to == "reset" {
		s.conn.Conn().Close() // the answer to DATA is lost
	}

	return nil
}

func to(t *testing.T, address string) mail.Mail {
	t.Helper()

	m, err := message.Compose(order.NoticeCreated, order.SimplifiedChinese, message.Order{Reference: "web-4711"})
	if err != nil {
		t.Fatal(err)
	}

	return mail.Mail{Event: "order.created:019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11", To: address, Mail: m}
}

func TestAnswersOfTheServer(t *testing.T) {
	t.Parallel()

	b := serve(t, true, false)
	s := b.sender(t, "smtp", "shop:p%40ss@", "")

	for address, want := range map[string]struct {
		outcome mail.Outcome
		status  int
		mails   int // that the server has afterwards
	}{
		"ada@b.example":        {mail.Sent, 250, 1},
		"greylisted@b.example": {mail.Again, 451, 0},
		"unknown@b.example":    {mail.Failed, 550, 0},
		"relay@b.example":      {mail.Again, 530, 0}, // a fault of the settings
		"full@b.example":       {mail.Again, 452, 0},
		"spam@b.example":       {mail.Failed, 554, 0},
		"closing@b.example":    {mail.Again, 421, 0},
		"reset@b.example":      {mail.Again, 0, 1}, // it may have been taken, and comes again with the same Message-ID
		"hang@b.example":       {mail.Again, 0, 0},
		"":                     {mail.Failed, 0, 0},
		"ada":                  {mail.Failed, 0, 0},
		"Ada <ada@b.example>":  {mail.Failed, 0, 0},
		"ada@b.example\r\nRCPT TO:<eve@b.example>": {mail.Failed, 0, 0},
	} {
		before := len(b.received())

		a := s.Send(t.Context(), to(t, address))
		if a.Outcome != want.outcome || a.Status != want.status || len(b.received())-before != want.mails {
			t.Errorf("%q: %+v, want %+v", address, a, want)
		}

		if alone := slices.Contains([]int{451, 452, 550, 554}, a.Status); a.Alone != alone {
			t.Errorf("%q: %+v, want it to be about this mail alone: %t", address, a, alone)
		}

		if strings.Contains(a.Text, "b.example") || (a.Text == "") != (a.Outcome == mail.Sent) {
			t.Errorf("%q: the text is %q", address, a.Text)
		}
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	if b.unsecure > 0 || b.logins == 0 {
		t.Errorf("%d mails without TLS, %d logins", b.unsecure, b.logins)
	}
}

func TestAMailHasItsPartsAndHeaders(t *testing.T) {
	t.Parallel()

	b := serve(t, false, false)
	s := b.sender(t, "smtp", "", "?tls=none")

	m := to(t, "ada@b.example")
	m.Subject += "\r\nBcc: eve@b.example\r\n\r\nbody"
	m.Event += "\r\nX-Evil: 1"

	for range 3 {
		if a := s.Send(t.Context(), m); a.Outcome != mail.Sent || a.ProviderID == "" {
			t.Fatalf("%+v", a)
		}
	}

	if n := b.connections(); n != 1 {
		t.Errorf("%d connections for three mails", n)
	}

	ids := map[string]bool{}

	for _, text := range b.received() {
		parsed, err := netmail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}

		h := parsed.Header
		ids[h.Get("Message-ID")] = true

		if h.Get("Bcc") != "" || h.Get("X-Evil") != "" {
			t.Errorf("a header was injected: %v", h)
		}

		if h.Get("Auto-Submitted") != "auto-generated" || h.Get("From") != `"Orders" <orders@shop.example>` || h.Get("To") != "<ada@b.example>" {
			t.Errorf("headers: %v", h)
		}

		if at, err := h.Date(); err != nil || time.Since(at) > time.Minute {
			t.Errorf("date: %v, %v", at, err)
		}

		if !strings.HasPrefix(h.Get("Content-Type"), "multipart/alternative") ||
			!strings.Contains(text, "Content-Type: text/plain; charset=UTF-8") || !strings.Contains(text, "Content-Type: text/html; charset=UTF-8") {
			t.Errorf("parts: %s", text)
		}
	}

	if len(ids) != 1 || !ids["<order.created.019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11..X-Evil..1@shop.example>"] {
		t.Errorf("Message-IDs: %v", ids)
	}
}

// A connection that the server has closed is no attempt: the mail goes over a new one.
func TestADeadConnectionIsReplaced(t *testing.T) {
	t.Parallel()

	b := serve(t, true, true)
	s := b.sender(t, "smtps", "shop:p%40ss@", "")

	for n := 1; n <= 2; n++ {
		if a := s.Send(t.Context(), to(t, "ada@b.example")); a.Outcome != mail.Sent {
			t.Fatalf("%+v", a)
		}

		b.mu.Lock()
		b.conns[n-1].Conn().Close()
		b.mu.Unlock()
	}

	if n, mails := b.connections(), len(b.received()); n != 2 || mails != 2 {
		t.Errorf("%d connections, %d mails", n, mails)
	}
}

func TestConnectionsThatCannotBeUsed(t *testing.T) {
	t.Parallel()

	plain, secure := serve(t, false, false), serve(t, true, false)

	untrusting, err := mail.New(mail.Options{URL: "smtp://" + secure.address, From: "orders@shop.example"})
	if err != nil {
		t.Fatal(err)
	}

	gone := serve(t, false, false)
	gone.listener.Close()

	for name, s := range map[string]*mail.Sender{
		"no TLS where it is mandatory":      plain.sender(t, "smtp", "", ""),
		"a password without TLS":            plain.sender(t, "smtp", "shop:p%40ss@", "?tls=none"),
		"a wrong password":                  secure.sender(t, "smtp", "shop:secret@", ""),
		"a certificate that nobody knows":   untrusting,
		"TLS at once where it is not known": plain.sender(t, "smtps", "", ""),
		"nobody listens":                    gone.sender(t, "smtp", "", "?tls=none"),
	} {
		a := s.Send(t.Context(), to(t, "ada@b.example"))
		if a.Outcome != mail.Again || !strings.HasPrefix(a.Text, "connect: ") || strings.Contains(a.Text, "secret") {
			t.Errorf("%s: %+v", name, a)
		}
	}

	if n := len(plain.received()) + len(secure.received()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}

	if a := plain.sender(t, "smtp", "", "?tls=opportunistic").Send(t.Context(), to(t, "ada@b.example")); a.Outcome != mail.Sent {
		t.Errorf("opportunistic TLS: %+v", a)
	}
}

// When a worker stops, it does not wait for a server that hangs.
func TestAnEndedContextEndsAnAttempt(t *testing.T) {
	t.Parallel()

	b := serve(t, false, false)

	s, err := mail.New(mail.Options{URL: "smtp://" + b.address + "?tls=none", From: "orders@shop.example", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	if a := s.Send(ctx, to(t, "hang@b.example")); a.Outcome != mail.Again {
		t.Errorf("%+v", a)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]bool{
		"smtp://mail.example":                      true,
		"smtp://mail.example:25?tls=opportunistic": true,
		"smtps://shop:p%40ss@mail.example":         true,
		"smtp://shop:p%40ss@mail.example?tls=none": true,
		"":                                      false,
		"mail.example:25":                       false,
		"http://shop:secret@mail.example":       false,
		"smtp://shop:secret@":                   false,
		"smtp://shop:secret@mail.example:0":     false,
		"smtp://shop:secret@mail.example/inbox": false,
		"smtp://shop:secret@mail.example?tls=perhaps": false,
		"smtp://shop:secret@mail.example?timeout=1":   false,
		"smtps://shop:secret@mail.example?tls=none":   false,
		"smtp://shop:secret@mail example":             false,
	} {
		err := mail.CheckURL(address)
		if (err == nil) != want || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}

		if got := mail.Redacted(address); strings.Contains(got, "secret") || strings.Contains(got, "p%40ss") {
			t.Errorf("%s is shown as %s", address, got)
		}
	}

	for from, want := range map[string]bool{
		"orders@shop.example":          true,
		"Orders <orders@shop.example>": true,
		"Bücher <orders@shop.example>": true,
		"":                             false,
		"Orders":                       false,
		"orders@shop.example\r\nBcc: eve@b.example": false,
	} {
		if err := mail.CheckFrom(from); (err == nil) != want {
			t.Errorf("%q: %v", from, err)
		}
	}
}
