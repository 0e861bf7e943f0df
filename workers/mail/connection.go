package mail

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	maxIdle = 8                // connections that are kept
	idleFor = 30 * time.Second // servers close idle connections after some minutes
)

// A pool keeps connections that are logged in.
type pool struct {
	server  server
	tls     *tls.Config
	timeout time.Duration

	mu   sync.Mutex
	idle []*connection
}

type connection struct {
	client *gomail.Client
	smtp   *smtp.Client
	net    net.Conn
	used   bool // has been in the pool
	since  time.Time
}

// take is a connection of the pool, or a new one.
func (p *pool) take(ctx context.Context) (*connection, error) {
	p.mu.Lock()

	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]

		if time.Since(c.since) < idleFor {
			p.mu.Unlock()

			return c, nil
		}

		c.close()
	}

	p.mu.Unlock()

	return p.dial(ctx)
}

// put gives a connection back.
func (p *pool) put(c *connection) {
	c.used, c.since = true, time.Now()

	p.mu.Lock()
	defer p.mu.Unlock()

	if len(p.idle) < maxIdle {
		p.idle = append(p.idle, c)

		return
	}

	c.close()
}

// Close closes the connections that are not in use.
func (p *pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()

	for _, c := range p.idle {
		c.close()
	}

	p.idle = nil
}

// dial connects and logs in. The library leaves connections open on which that fails, so they are closed here.
func (p *pool) dial(ctx context.Context) (_ *connection, err error) {
	c := &connection{}

	options := []gomail.Option{
		gomail.WithPort(p.server.port),
		gomail.WithTimeout(p.timeout),
		gomail.WithTLSConfig(p.tls),
		gomail.WithTLSPolicy(p.server.policy),
		gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (_ net.Conn, err error) {
			if p.server.implicitTLS {
				c.net, err = (&tls.Dialer{Config: p.tls}).DialContext(ctx, network, address)
			} else {
				c.net, err = (&net.Dialer{}).DialContext(ctx, network, address)
			}

			return c.net, err
		}),
	}

	if p.server.implicitTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS)) // no STARTTLS within TLS
	}

	if p.server.user != "" {
		options = append(options, gomail.WithUsername(p.server.user), gomail.WithPassword(p.server.password),
			gomail.WithOpportunisticSMTPAuth(
				gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5,
			))
	}

	if c.client, err = gomail.NewClient(p.server.host, options...); err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}

	if c.smtp, err = c.client.DialToSMTPClientWithContext(ctx); err != nil {
		c.close()

		return nil, err
	}

	return c, nil
}

// send sends a mail. When the context ends, it closes the connection, as the library does not know the context.
func (c *connection) send(ctx context.Context, msg *gomail.Msg) error {
	stop := context.AfterFunc(ctx, c.close)
	defer stop()

	return c.client.SendWithSMTPClient(c.smtp, msg)
}

// close closes the connection without QUIT, for which the server could let it wait.
func (c *connection) close() {
	if c.net != nil {
		_ = c.net.Close() // nothing is lost: what was sent has its answer
	}
}
