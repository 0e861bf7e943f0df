// Package problem turns errors into RFC 9457 problems. Operations return plain errors;
// [Of] maps them by the one table in type.go. A text that is not meant for clients
// never gets past it.
package problem

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"orders/db"
	"orders/order"
)

// ContentType is the media type of problems.
const ContentType = "application/problem+json"

// The shortest and the longest Retry-After.
const (
	shortestRetry = time.Second
	longestRetry  = time.Minute
)

// A Problem is the body of every refusal, after RFC 9457.
type Problem struct { //nolint:errname // its name is that of RFC 9457
	Type      Address      `json:"type" example:"/problems/unknown-sku" doc:"The problem type: stable, for programs to compare. It is the address of a page that explains it."`
	Title     string       `json:"title" example:"There is no such product" doc:"The problem type in words"`
	Status    int          `json:"status" example:"422" doc:"The HTTP status"`
	Detail    string       `json:"detail" example:"There is no product \"tea\"; GET /products lists them." doc:"This case in words, and what to do"`
	Current   order.Status `json:"current_status,omitempty" doc:"The order's status, if the status is what forbids the request"`
	Available *int64       `json:"available,omitempty" nullable:"false" doc:"The product's stock, if there is too little for the request"`
	OrderID   string       `json:"order_id,omitempty" format:"uuid" doc:"The other order, if an order with the reference exists already"`
	RequestID string       `json:"request_id" example:"QF2V6LD3GCFGQ6ECLXBE5Z5M7C" doc:"The request's X-Request-Id: the log has the request under it"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"The places where the request does not match its description, or what it is about: the first 20 at most"`

	retryAfter time.Duration // 0 when it is not known
}

// A FieldError is one place where a request does not match its description. It never
// repeats the value that was sent.
type FieldError struct {
	Location string `json:"location" example:"body.lines[0].quantity" doc:"The place, starting with body, query, path or header"`
	Message  string `json:"message" example:"expected number >= 1" doc:"What was expected there"`
}

// New makes a problem of a code. An empty detail means the detail of the problem type.
func New(ctx context.Context, code order.Code, detail string) *Problem {
	t, known := types[code]
	if !known {
		code, t, detail = order.Internal, types[order.Internal], ""
	}

	if detail == "" {
		detail = t.Detail
	}

	info := RequestInfoOf(ctx)
	info.Code = code

	return &Problem{Type: AddressOf(code), Title: t.Title, Status: t.Status, Detail: detail, RequestID: info.ID}
}

// Of makes the problem of an operation's error. A text that is not meant for clients
// goes to the log only.
func Of(ctx context.Context, err error) *Problem {
	err = db.Error(err)

	switch code := order.CodeOf(err); {
	case errors.Is(ctx.Err(), context.Canceled): // the client has gone
	case code == order.Internal:
		RequestInfoOf(ctx).Logger().ErrorContext(ctx, "request failed", "error", err)
	case code == order.Unavailable:
		RequestInfoOf(ctx).Logger().WarnContext(ctx, "request not served", "error", err)
	}

	refusal, ok := errors.AsType[*order.Error](err)
	if !ok || refusal.Code == order.Internal {
		return New(ctx, order.Internal, "")
	}

	p := New(ctx, refusal.Code, refusal.Message)
	p.Current, p.OrderID, p.Available, p.retryAfter = refusal.Current, refusal.OrderID, refusal.Available, refusal.RetryAfter

	for _, f := range refusal.Fields[:min(len(refusal.Fields), maxErrors)] {
		p.Errors = append(p.Errors, FieldError{Location: cmp.Or(f.Place, "body") + "." + f.Name, Message: f.Expected})
	}

	return p
}

// Error makes a problem an error that huma responds with.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells huma the headers.
func (p *Problem) GetHeaders() http.Header {
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		seconds := math.Ceil(min(max(p.retryAfter, shortestRetry), longestRetry).Seconds())

		return http.Header{"Retry-After": {strconv.Itoa(int(seconds))}}
	}

	return nil
}

// After says when to try again.
func (p *Problem) After(wait time.Duration) *Problem {
	p.retryAfter = wait

	return p
}

// SetHeaders sets the headers where huma is not in charge, and the body is another one.
func (p *Problem) SetHeaders(header http.Header) { maps.Copy(header, p.GetHeaders()) }

// ContentType tells huma the media type.
func (*Problem) ContentType(string) string { return ContentType }

// Write responds with the problem where huma is not in charge.
func (p *Problem) Write(w http.ResponseWriter) {
	header := w.Header()
	p.SetHeaders(header)
	header.Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)

	json.NewEncoder(w).Encode(p) //nolint:errcheck,errchkjson // the client has gone
}
