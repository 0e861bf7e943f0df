package middleware

import (
	"cmp"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orders/api/problem"
	"orders/order"
)

// emptyAllowed is the parameter that may be empty: next_cursor is, and clients send it as cursor.
const emptyAllowed = "cursor"

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

	next(ctx)
}

func check(r *http.Request, op *huma.Operation) *problem.Problem {
	// huma looks at Accept only after the operation has had its effect.
	media := choose(op, strings.Join(r.Header.Values("Accept"), ","))
	if media == "" {
		offered := strings.Join(slices.Sorted(maps.Keys(contentOf(op))), " or ")

		return problem.New(r.Context(), problem.NotAcceptable, "The response is "+cmp.Or(offered, MediaJSON)+"; Accept must allow that.")
	}

	r.Header.Set("Accept", media)

	if op.RequestBody != nil {
		if p := checkBody(r); p != nil {
			return p
		}
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

	// huma takes an empty value for none: an empty filter would list everything.
	for _, p := range op.Parameters {
		if p.In == "query" && p.Name != emptyAllowed && query.Has(p.Name) && query.Get(p.Name) == "" {
			refusal := problem.New(r.Context(), order.Invalid, "A query parameter is empty. Give it a value, or leave it out.")
			refusal.Errors = []problem.FieldError{{Location: "query." + p.Name, Message: "expected a value"}}

			return refusal
		}
	}

	r.URL.RawQuery = query.Encode()

	return nil
}

// checkBody checks what the headers tell about the body.
func checkBody(r *http.Request) *problem.Problem {
	for _, sent := range r.Header.Values("Content-Type") {
		if media, _, err := mime.ParseMediaType(sent); sent != "" && (err != nil || media != MediaJSON) {
			return problem.New(r.Context(), problem.MediaType, "")
		}
	}

	for _, coding := range r.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return problem.New(r.Context(), problem.MediaType, "Send the body as it is, without Content-Encoding.")
		}
	}

	r.Header.Set("Content-Type", MediaJSON)

	return nil
}

// choose chooses the media type of the response: JSON if there is JSON and it may be, and else another
// that may be; empty if none may be. It is on the way of each request, so it allocates nothing.
func choose(op *huma.Operation, accept string) string {
	if offersJSON(op) && accepts(MediaJSON, accept) {
		return MediaJSON
	}

	for media := range contentOf(op) {
		if media != MediaJSON && accepts(media, accept) {
			return media
		}
	}

	return ""
}

// offersJSON tells whether the response may be JSON. An operation that streams offers another
// type, and huma does not write its response.
func offersJSON(op *huma.Operation) bool {
	content := contentOf(op)

	return len(content) == 0 || content[MediaJSON] != nil
}

// contentOf is what the response of the operation may be, by media type; nil if the operation does not say.
func contentOf(op *huma.Operation) map[string]*huma.MediaType {
	if ok := op.Responses["200"]; ok != nil {
		return ok.Content
	}

	return nil
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
