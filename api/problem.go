package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/db"
	"orders/order"
)

// After how long a refused client is to try again, at least and at most.
const (
	shortestRetry = time.Second
	longestRetry  = time.Minute
)

// A Problem is the body of every refusal, after RFC 9457.
type Problem struct { //nolint:errname // its name is that of RFC 9457
	Type      string   `json:"type" format:"uri-reference" example:"/problems/unknown-sku" doc:"What kind of problem it is; stable, for programs to compare"`
	Title     string   `json:"title" example:"There is no such product" doc:"The kind in words"`
	Status    int      `json:"status" example:"422" doc:"The HTTP status"`
	Detail    string   `json:"detail" example:"There is no product \"tea\"; GET /products lists them." doc:"This case in words, and what to do"`
	Current   string   `json:"current_status,omitempty" example:"pending" doc:"The order's status, where that is what forbids it"`
	RequestID string   `json:"request_id" example:"QF2V6LD3GCFGQ6ECLXBE5Z5M7C" doc:"The request's X-Request-Id, under which the log has it"`
	Errors    []Detail `json:"errors,omitempty" nullable:"false" doc:"Where the request does not fit, the first 20 places at most"`

	retryAfter time.Duration // 0 when it is not known
}

// A Detail is one place where a request does not fit. It never repeats the value that was sent.
type Detail struct {
	Location string `json:"location" example:"body.lines[0].quantity" doc:"The place, starting with body, query, path or header"`
	Message  string `json:"message" example:"expected number >= 1" doc:"What was expected there"`
}

// newProblem words a problem of a code; with an empty detail, as its kind does.
func newProblem(ctx context.Context, code order.Code, detail string) *Problem {
	k, known := kinds[code]
	if !known {
		code, k, detail = order.Internal, kinds[order.Internal], ""
	}

	if detail == "" {
		detail = k.detail
	}

	x := exchangeOf(ctx)
	x.problem = code

	return &Problem{Type: "/problems/" + string(code), Title: k.title, Status: k.status, Detail: detail, RequestID: x.id}
}

// problemOf words an operation's error. Whatever is not meant for clients goes to the log only.
func problemOf(ctx context.Context, err error) *Problem {
	err = db.Error(err)

	switch code := order.CodeOf(err); {
	case errors.Is(ctx.Err(), context.Canceled): // nobody is there to read it
	case code == order.Internal:
		exchangeOf(ctx).log().ErrorContext(ctx, "request failed", "error", err)
	case code == order.Unavailable:
		exchangeOf(ctx).log().WarnContext(ctx, "request not served", "error", err)
	}

	refusal, ok := errors.AsType[*order.Error](err)
	if !ok || refusal.Code == order.Internal {
		return newProblem(ctx, order.Internal, "")
	}

	p := newProblem(ctx, refusal.Code, refusal.Message)
	p.Current, p.retryAfter = string(refusal.Current), refusal.RetryAfter

	return p
}

// humaProblem words what huma itself refuses. Its errors quote the body: only
// places and expectations are kept.
func humaProblem(ctx context.Context, status int, errs []error) *Problem {
	code, known := humaCodes[status]
	if _, unread := errors.AsType[unreadable](errors.Join(errs...)); unread {
		code, known, errs = malformedBody, true, nil // huma's 500 is for a client who left off midway
	}

	if !known {
		return problemOf(ctx, errors.Join(errs...))
	}

	p := newProblem(ctx, narrow(code, errs), "")

	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && len(p.Errors) < maxDetails {
			p.Errors = append(p.Errors, Detail{Location: clip(d.Location), Message: clip(d.Message)})
		}
	}

	return p
}

// Bounds of what a request full of mistakes is answered with.
const (
	maxDetails = 20
	maxText    = 200
)

// clip cuts what may have come from the request.
func clip(text string) string {
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}

	return text
}

// locations have a code of their own.
var locations = []struct {
	pattern *regexp.Regexp
	code    order.Code
}{
	{regexp.MustCompile(`^body\.lines$`), order.InvalidLines},
	{regexp.MustCompile(`^body\.lines\[\d+\]\.quantity$`), order.InvalidQuantity},
	{regexp.MustCompile(`^query\.cursor$`), badCursor},
}

// narrow finds the code for what does not fit: that of the places if all share one.
func narrow(code order.Code, errs []error) order.Code {
	narrowed := code

	for i, err := range errs {
		found := code

		for _, l := range locations {
			if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && l.pattern.MatchString(d.Location) {
				found = l.code
			}
		}

		if i > 0 && found != narrowed {
			return code
		}

		narrowed = found
	}

	return narrowed
}

// Error makes a problem an error that huma answers with.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells huma the headers.
func (p *Problem) GetHeaders() http.Header {
	if p.Status == http.StatusServiceUnavailable {
		seconds := math.Ceil(min(max(p.retryAfter, shortestRetry), longestRetry).Seconds())

		return http.Header{"Retry-After": {strconv.Itoa(int(seconds))}}
	}

	return nil
}

// ContentType tells huma the media type.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// write answers with the problem where huma is not in charge.
func (p *Problem) write(w http.ResponseWriter) {
	header := w.Header()
	maps.Copy(header, p.GetHeaders())

	header.Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)

	json.NewEncoder(w).Encode(p) //nolint:errcheck,errchkjson // the client has gone
}
