package deliver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"orders/db"
	"orders/db/delivery"
	"orders/workers/answer"
)

const (
	sendTimeout = 15 * time.Second
	maxAnswer   = 64 << 10 // what is read of an answer, so that its connection can be used again
)

// A Webhook sends events over HTTP: as CloudEvents, signed after Standard Webhooks 1.0.
type Webhook struct {
	http http.Client
}

// NewWebhook makes a sender. Without allowPrivate it connects to public addresses only.
func NewWebhook(allowPrivate bool) *Webhook {
	transport := &http.Transport{
		DialContext:           dialer(allowPrivate).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   mostAtOnce,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   sendTimeout / 3, //nolint:mnd // a part of the whole
		ResponseHeaderTimeout: sendTimeout,
	}

	return &Webhook{http: http.Client{
		Timeout:       sendTimeout,
		Transport:     transport, // without a proxy: it would resolve names itself
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Prepare needs nothing: the events have all that is sent.
func (*Webhook) Prepare(_ context.Context, _ db.Querier, due []delivery.Due) ([]Message, error) {
	messages := make([]Message, len(due))
	for i, d := range due {
		messages[i] = Message{Due: d}
	}

	return messages, nil
}

// Send makes one attempt.
func (w *Webhook) Send(ctx context.Context, to delivery.Endpoint, m Message) Answer {
	body, err := json.Marshal(m.CloudEvent())
	if err != nil {
		return Answer{Text: "the event cannot be encoded"}
	}

	return w.Post(ctx, to, m.ID(), body)
}

// Post sends a body with its id and signatures.
func (w *Webhook) Post(ctx context.Context, to delivery.Endpoint, id string, body []byte) Answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{Text: "the URL is wrong"}
	}

	now := time.Now()

	signatures, err := sign(to, id, now, body)
	if err != nil {
		return Answer{Text: err.Error()}
	}

	r.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	r.Header.Set("User-Agent", "Orders")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", signatures)

	response, err := w.http.Do(r)
	if err != nil {
		return Answer{Text: fault(err)}
	}
	defer response.Body.Close()

	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // the status has said it

	return Answer{
		Arrived:    response.StatusCode >= 200 && response.StatusCode < 300,
		Gone:       response.StatusCode == http.StatusGone,
		Status:     response.StatusCode,
		Text:       answer.Line(string(text)),
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), now),
	}
}

// sign makes the signatures with the endpoint's secrets: version 1 is HMAC-SHA256 of id, time and body.
func sign(to delivery.Endpoint, id string, at time.Time, body []byte) (string, error) {
	secrets := []string{to.Secret}
	if to.PreviousSecret != nil {
		secrets = append(secrets, *to.PreviousSecret)
	}

	signatures := make([]string, len(secrets))

	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, delivery.SecretPrefix))
		if err != nil || len(key) == 0 {
			return "", errors.New("the secret is empty or wrong: rotate it")
		}

		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}

	return strings.Join(signatures, " "), nil
}

// retryAfter is what an answer asks for, in seconds or as a date; 0 for nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}

	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}

	return 0
}

// fault says why a request had no answer, without the address: a URL may hold a secret.
func fault(err error) string {
	if refused, ok := errors.AsType[*privateAddressError](err); ok {
		return refused.Error()
	}

	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return "no answer within " + sendTimeout.String()
	}

	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + name.Name + " has no address"
	}

	if dial, ok := errors.AsType[*net.OpError](err); ok {
		return answer.Line(dial.Op + ": " + dial.Err.Error()) // without the addresses of this network
	}

	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}

	return answer.Line(err.Error())
}
