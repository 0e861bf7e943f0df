// Package webhook posts alerts to an address that operators have set.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"orders/db/alert"
	"orders/db/condition"
)

const (
	timeout     = 5 * time.Second // of one post
	maxResponse = 64 << 10        // what is read of a response, so that its connection can be used again
)

// A Client posts to one address. Its errors do not contain the address, which may hold a secret.
type Client struct {
	address string
	http    http.Client
}

// New makes a client; nil for an empty address.
func New(address string) *Client {
	if address == "" {
		return nil
	}

	return &Client{address: address, http: http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would become a GET
	}}
}

// Check refuses an address that cannot be posted to.
func Check(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("it is not an address; write a URL such as https://alerts.example/hook") // without it: it may hold a secret
	}

	return nil
}

// Redacted is an address without what may be secret: chat systems put the secret into the path.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if address == "" || err != nil || u.Host == "" {
		return address
	}

	return u.Scheme + "://" + u.Host + "/(not shown)"
}

// body is what is posted.
type body struct {
	ID        uuid.UUID          `json:"id"`
	Condition condition.Name     `json:"condition"`
	Severity  condition.Severity `json:"severity"`
	State     alert.State        `json:"state"`
	Since     time.Time          `json:"since"`
	At        time.Time          `json:"at"`
	Sentence  string             `json:"sentence"`
	Runbook   string             `json:"runbook"`
	Text      string             `json:"text"` // Slack, Mattermost and Google Chat show it
}

func bodyOf(m alert.Message) body {
	text := fmt.Sprintf("%s %s: %s", m.Severity, m.Condition, m.Sentence)
	if m.State == alert.End {
		text = fmt.Sprintf("ended: %s %s", m.Severity, m.Condition)
	}

	return body{
		ID: m.ID, Condition: m.Condition, Severity: m.Severity, State: m.State, Since: m.Since.UTC(), At: m.At.UTC(),
		Sentence: m.Sentence, Runbook: m.Condition.Runbook(), Text: text,
	}
}

// Post posts a message, and returns an error if the receiver does not acknowledge it with a status of 2xx.
func (c *Client) Post(ctx context.Context, m alert.Message) error {
	text, err := json.Marshal(bodyOf(m))
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(text))
	if err != nil {
		return errors.New("post alert: the address is not one")
	}

	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", m.ID.String()+"-"+string(m.State))

	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("post alert: %w", withoutAddress(err))
	}
	defer response.Body.Close()

	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxResponse)) // the status is the answer

	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("post alert: the receiver answers %s", response.Status)
	}

	return nil
}

// withoutAddress is what lies below the error that repeats the whole address.
func withoutAddress(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}

	return err
}
