package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Distant listens for connections to the server of databaseURL and delays what they send, in
// each direction by half of the round trip. It returns the url to connect to instead, until ctx ends.
func Distant(ctx context.Context, databaseURL string, roundTrip time.Duration) (string, error) {
	config, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return "", fmt.Errorf("parse database url: %w", err)
	}

	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", fmt.Errorf("parse database url: %w", err)
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}

	context.AfterFunc(ctx, func() { _ = listener.Close() })

	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", fmt.Errorf("address of the listener: %w", err)
	}

	query := u.Query()
	query.Set("host", host)
	query.Set("port", port)
	u.RawQuery = query.Encode()

	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // it is closed
			}

			go forward(ctx, client, config, roundTrip/2) //nolint:mnd // there and back
		}
	}()

	return u.String(), nil
}

// forward connects a client to the server until one of them closes, or ctx ends.
func forward(ctx context.Context, client net.Conn, to *pgconn.Config, delay time.Duration) {
	network, address := pgconn.NetworkAddress(to.Host, to.Port)

	server, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		_ = client.Close()

		return
	}

	end := func() { _ = errors.Join(client.Close(), server.Close()) }
	defer context.AfterFunc(ctx, end)()

	var both sync.WaitGroup

	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			defer end()

			delayed(way[1], way[0], delay)
		})
	}

	both.Wait()
}

// delayed copies what it reads, later by delay.
func delayed(to io.Writer, from io.Reader, delay time.Duration) {
	type part struct {
		data []byte
		due  time.Time
	}

	const size, inFlight = 64 << 10, 256

	parts := make(chan part, inFlight)

	go func() {
		defer close(parts)

		for {
			data := make([]byte, size)

			n, err := from.Read(data)
			if n > 0 {
				parts <- part{data[:n], time.Now().Add(delay)}
			}

			if err != nil {
				return
			}
		}
	}()

	for p := range parts {
		time.Sleep(time.Until(p.due)) //nolint:forbidigo // this is what it is for

		if _, err := to.Write(p.data); err != nil {
			break
		}
	}

	for range parts { // until the reader has ended: our caller closes its connection
	}
}
