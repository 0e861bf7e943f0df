package api

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/order"
)

// guard settles, before an operation runs, what huma would take too lightly.
func guard(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)

	if p := inspect(r, ctx.Operation()); p != nil {
		p.write(w)

		return
	}

	r.Body = requestBody{r.Body}

	next(ctx)
}

// inspect refuses a request whose query is ambiguous or whose types are not
// ours, and puts what huma reads into the one form that it cannot misread.
func inspect(r *http.Request, op *huma.Operation) *Problem {
	// huma looks for an acceptable type only when the operation has had its effect.
	if media := answersWith(op); !accepts(media, strings.Join(r.Header.Values("Accept"), ",")) {
		return newProblem(r.Context(), notAcceptable, "The answer is "+media+"; let Accept have that.")
	}

	r.Header.Set("Accept", "application/json")

	if op.RequestBody != nil {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.Header.Get("Content-Type") != "" && (err != nil || media != "application/json") {
			return newProblem(r.Context(), mediaType, "")
		}

		r.Header.Set("Content-Type", "application/json")
	}

	// huma passes over a parameter that it cannot decode, and of two it takes one: a filter would be lost unnoticed.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return newProblem(r.Context(), order.Invalid, "The query cannot be decoded.")
	}

	for _, values := range query {
		if len(values) > 1 {
			return newProblem(r.Context(), order.Invalid, "A query parameter is there more than once.")
		}
	}

	r.URL.RawQuery = query.Encode()

	return nil
}

// answersWith is the media type of the operation's answer.
func answersWith(op *huma.Operation) string {
	if ok := op.Responses["200"]; ok != nil && ok.Content[eventStream] != nil {
		return eventStream
	}

	return mediaJSON
}

func accepts(answer, accept string) bool {
	family, _, _ := strings.Cut(answer, "/")

	if accept == "" {
		return true
	}

	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}

		weight, err := strconv.ParseFloat(params["q"], 64)
		if refused := err == nil && weight == 0; refused {
			continue
		}

		switch media {
		case answer, family + "/*", "*/*":
			return true
		}
	}

	return false
}

// requestBody is a request's body that tells its own failures from those of others.
type requestBody struct {
	io.ReadCloser
}

// unreadable is a failure to read the body: the client's or the network's.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

func (b requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = unreadable{err}
	}

	return n, err //nolint:wrapcheck // io.EOF stays bare
}
