// Package mail sends messages to customers by SMTP.
//
// A mail is sent at least once. If the connection is lost after DATA, nobody knows whether the server has it:
// it is sent again, with the same Message-ID.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"orders/order"
	"orders/order/message"
	"orders/workers/answer"
)

const (
	attemptTimeout = 30 * time.Second // of all that one mail needs
	replyTimeout   = 15 * time.Second // of connecting, and of each mail on a connection
)

// An Outcome is what became of an attempt.
type Outcome int

// The outcomes.
const (
	Again  Outcome = iota // try again later
	Sent                  // the server has taken the mail
	Failed                // no attempt can succeed
)

// An Answer is what the server said. Its texts have no address.
type Answer struct {
	Outcome    Outcome
	Alone      bool   // the server works, and has refused this mail
	Status     int    // of SMTP; 0 if there was no answer
	Text       string // why it was not sent; empty if it was
	ProviderID string // what the server said when it took the mail
}

// A Mail is a message to a customer.
type Mail struct {
	Event string // the id of what is told: the Message-ID is derived from it
	To    string
	message.Mail
}

// Options configure [New].
type Options struct {
	URL  string // smtp://user:password@host:port?tls=…
	From string
	TLS  *tls.Config // nil for the system's authorities

	Timeout time.Duration // of connecting, and of each mail; 0 for the default
}

// A Sender sends mails over connections that it uses again. Any number of goroutines may use it.
type Sender struct {
	pool

	from   *mail.Address
	domain string
}

// New makes a sender. It does not connect.
func New(o Options) (*Sender, error) {
	if err := CheckFrom(o.From); err != nil {
		return nil, fmt.Errorf("sender of mail: %w", err)
	}

	s, err := parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}

	if o.Timeout == 0 {
		o.Timeout = replyTimeout
	}

	config := o.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}

	config.ServerName = s.host

	from, err := mail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("sender of mail: %w", err)
	}

	return &Sender{
		pool:   pool{server: s, tls: config, timeout: o.Timeout},
		from:   from,
		domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:],
	}, nil
}

// Send makes one attempt. A connection that the server has closed in the meantime is no attempt.
func (s *Sender) Send(ctx context.Context, m Mail) Answer {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()

	msg, err := s.compose(m)
	if err != nil {
		return Answer{Outcome: Failed, Text: err.Error()}
	}

	for {
		c, err := s.take(ctx)
		if err != nil {
			return Answer{Text: line("connect: " + err.Error())}
		}

		err = c.send(ctx, msg)

		failure, _ := errors.AsType[*gomail.SendError](err)
		if failure != nil && failure.Reason == gomail.ErrConnCheck && c.used {
			c.close()

			continue
		}

		if err == nil || failure != nil && failure.ErrorCode() != 0 && failure.ErrorCode() != serviceClosing {
			s.put(c)
		} else {
			c.close()
		}

		return answerOf(msg, failure, err)
	}
}

const serviceClosing = 421

// compose makes the mail. All texts go through the library's encoders, which let no text begin a header.
func (s *Sender) compose(m Mail) (*gomail.Msg, error) {
	if !order.IsEmail(m.To) {
		return nil, errors.New("the address is wrong")
	}

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)

	if err := msg.To(m.To); err != nil {
		return nil, errors.New("the address is wrong") // without the cause, which has it
	}

	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(messageID(m.Event, s.domain))
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)

	return msg, nil
}

// ofServer are codes of a server that is not set up as it should be: they say nothing about the mail.
var ofServer = []int{530, 534, 535, 538}

func answerOf(msg *gomail.Msg, failure *gomail.SendError, err error) Answer {
	switch {
	case msg.IsDelivered(): // also if the connection was lost then
		return Answer{Outcome: Sent, Status: 250, ProviderID: line(msg.ServerResponse())}
	case failure == nil:
		return Answer{Text: line(err.Error())}
	}

	text, _, _ := strings.Cut(failure.Error(), ", affected ")
	a := Answer{Status: failure.ErrorCode(), Text: line(text)}
	aboutMail := failure.Reason == gomail.ErrSMTPRcptTo || failure.Reason == gomail.ErrSMTPData || failure.Reason == gomail.ErrSMTPDataClose

	a.Alone = aboutMail && a.Status != 0 && a.Status != serviceClosing && !slices.Contains(ofServer, a.Status)

	if a.Alone && a.Status >= 500 {
		a.Outcome = Failed
	}

	return a
}

var address = regexp.MustCompile(`[^\s<>,;:"']+@[^\s<>,;:"']+`)

// line is a text as one short line without addresses: servers repeat them.
func line(text string) string {
	return answer.Line(address.ReplaceAllString(strings.ToValidUTF8(text, "?"), "(address)"))
}
