package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"

	"github.com/google/uuid"
)

// A conn speaks as much HTTP/1.1 as the load needs. The load shares the machine
// with what it measures, and net/http's client costs three times as much.
type conn struct {
	net.Conn

	host   string
	reader *bufio.Reader
	out    []byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}

	return &conn{Conn: c, host: address, reader: bufio.NewReader(c)}, nil
}

// An answer is what the load wants to know of a response.
type answer struct {
	status int
	order  uuid.UUID // of the Location, if there is one
	body   []byte    // of a refusal
}

// post sends a request and reads the answer. Calls must not overlap.
func (c *conn) post(path, key string, body []byte) (answer, error) {
	c.out = append(c.out[:0], "POST "...)
	c.out = append(c.out, path...)
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.host...)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\n"...)

	if key != "" {
		c.out = append(c.out, "Idempotency-Key: "...)
		c.out = append(c.out, key...)
		c.out = append(c.out, "\r\n"...)
	}

	c.out = append(c.out, "Content-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)

	if _, err := c.Write(c.out); err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}

	a, err := c.read()
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}

	return a, nil
}

func (c *conn) read() (answer, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}

	var a answer

	if len(line) < len("HTTP/1.1 200") {
		return a, fmt.Errorf("status line %q", line)
	}

	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, fmt.Errorf("status line %q", line)
	}

	length := -1

	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return a, err
		}

		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return a, c.readBody(&a, length)
		}

		name, value, _ := bytes.Cut(line, []byte(": "))

		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return a, fmt.Errorf("content length %q", value)
			}
		case "Location":
			if a.order, err = uuid.ParseBytes(bytes.TrimPrefix(value, []byte("/orders/"))); err != nil {
				return a, fmt.Errorf("location %q", value)
			}
		case "Connection":
			return a, errors.New("the server closes the connection")
		}
	}
}

// readBody reads what the connection must be rid of before the next request. It
// is kept when it says why something was refused.
func (c *conn) readBody(a *answer, length int) (err error) {
	body := io.LimitReader(c.reader, int64(length))

	chunked := length < 0
	if chunked {
		body = httputil.NewChunkedReader(c.reader)
	}

	if a.status >= 300 {
		a.body, err = io.ReadAll(body)
	} else {
		_, err = io.Copy(io.Discard, body)
	}

	if err == nil && chunked {
		_, err = c.reader.ReadSlice('\n') // no trailers: the empty line behind the last chunk
	}

	return err
}
