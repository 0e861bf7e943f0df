package middleware

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/problem"
	"orders/order"
)

// MediaJSON is the media type of bodies and of most responses.
const MediaJSON = "application/json"

// Guard checks, before an operation runs, what huma does not check strictly enough. It
// refuses an ambiguous query and media types that are not supported. It brings what
// huma reads into the one form that huma cannot misread.
func Guard(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)

	if p := check(r, ctx.Operation()); p != nil {
		p.Write(w)

		return
	}

	r.Body = requestBody{r.Body}

	next(ctx)
}

func check(r *http.Request, op *huma.Operation) *problem.Problem {
	// huma looks at Accept only after the operation has had its effect.
	if media := responseMedia(op); !accepts(media, strings.Join(r.Header.Values("Accept"), ",")) {
		return problem.New(r.Context(), problem.NotAcceptable, "The response is "+media+"; Accept must allow that.")
	}

	r.Header.Set("Accept", MediaJSON)

	if op.RequestBody != nil {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.Header.Get("Content-Type") != "" && (err != nil || media != MediaJSON) {
			return problem.New(r.Context(), problem.MediaType, "")
		}

		r.Header.Set("Content-Type", MediaJSON)
	}

	// huma skips a parameter that it cannot decode, and takes one of two: a filter would be lost unnoticed.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.New(r.Context(), order.Invalid, "The query cannot be decoded.")
	}

	for _, values := range query {
		if len(values) > 1 {
			return problem.New(r.Context(), order.Invalid, "A query parameter is there more than once.")
		}
	}

	r.URL.RawQuery = query.Encode()

	return nil
}

// responseMedia is the one media type of the operation's response.
func responseMedia(op *huma.Operation) string {
	if ok := op.Responses["200"]; ok != nil {
		for media := range ok.Content {
			return media
		}
	}

	return MediaJSON
}

// accepts tells whether an Accept header allows a media type.
func accepts(response, accept string) bool {
	if accept == "" {
		return true
	}

	family, _, _ := strings.Cut(response, "/")

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
		case response, family + "/*", "*/*":
			return true
		}
	}

	return false
}

// requestBody is a request's body that marks the errors of reading it.
type requestBody struct {
	io.ReadCloser
}

func (b requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = problem.UnreadableBody{Err: err}
	}

	return n, err //nolint:wrapcheck // io.EOF stays bare
}
