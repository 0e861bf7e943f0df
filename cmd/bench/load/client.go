package load

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"
)

// A client sends requests. The load shares the machine with what it measures:
// fasthttp takes half of the CPU time of net/http's client.
type client struct{ fasthttp.Client }

// A response is what the load reads of an HTTP response.
type response struct {
	status int
	order  uuid.UUID // from the Location header; zero without one
	body   []byte
}

// post sends a request. The key is its Idempotency-Key; empty for none.
func (c *client) post(url, key string, body []byte) (response, error) {
	request, got := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(got)

	request.SetRequestURI(url)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.Header.SetContentType("application/json")
	request.SetBodyRaw(body)

	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}

	if err := c.Do(request, got); err != nil {
		return response{}, fmt.Errorf("post: %w", err)
	}

	id, _ := uuid.ParseBytes(bytes.TrimPrefix(got.Header.Peek("Location"), []byte("/orders/")))

	return response{status: got.StatusCode(), order: id, body: slices.Clone(got.Body())}, nil
}
