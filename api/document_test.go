package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"orders/api"
)

// A contract is the OpenAPI document as a judge of what the server takes and sends.
type contract struct {
	document node
	routes   *http.ServeMux // finds an operation as the server does
	compiler *jsonschema.Compiler
	mu       sync.Mutex // of the compiler and the schemas
	schemas  map[string]*jsonschema.Schema
}

var readContract = sync.OnceValues(func() (*contract, error) {
	text, err := api.OpenAPI("test")
	if err != nil {
		return nil, err
	}

	c := &contract{routes: http.NewServeMux(), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	if err := yaml.Unmarshal(text, &c.document); err != nil {
		return nil, err
	}

	c.compiler.AssertFormat()

	if err := c.compiler.AddResource("openapi", c.document); err != nil {
		return nil, err
	}

	for path, operations := range at(c.document, "paths").(node) {
		for method := range operations.(node) {
			c.routes.Handle(strings.ToUpper(method)+" "+path, http.NotFoundHandler())
		}
	}

	return c, nil
})

// checked is the server's handler. It fails the test when a response is not what the
// document says, and when a request succeeds whose body the document does not allow.
func checked(t *testing.T, next http.Handler) http.Handler {
	t.Helper()

	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := c.routes.Handler(r)
		if pattern == "" {
			next.ServeHTTP(w, r)

			return
		}

		var sent bytes.Buffer

		request := *r
		request.Body = tee{io.TeeReader(r.Body, &sent), r.Body}
		response := &copied{ResponseWriter: w}

		next.ServeHTTP(response, &request)

		if response.status == 0 { // it was cut off
			return
		}

		method, path, _ := strings.Cut(pattern, " ")
		at := []string{"paths", path, strings.ToLower(method)}

		if err := c.checkResponse(at, r.Method, response); err != nil {
			t.Errorf("%s %s: %d %s: %v", r.Method, r.URL, response.status, response.body.String(), err)
		}

		if err := c.checkRequest(at, response.status, sent.Bytes()); err != nil {
			t.Errorf("%s %s is accepted, with the body %s: %v", r.Method, r.URL, sent.String(), err)
		}
	})
}

type tee struct {
	io.Reader
	io.Closer
}

// copied keeps what is sent.
type copied struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *copied) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(data []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}

	c.body.Write(data)

	return c.ResponseWriter.Write(data)
}

func (c *contract) checkRequest(operation []string, status int, body []byte) error {
	if status >= http.StatusMultipleChoices || len(body) == 0 {
		return nil
	}

	return c.validate(body, append(operation, "requestBody", "content", "application/json", "schema")...)
}

func (c *contract) checkResponse(operation []string, method string, sent *copied) error {
	responses := slices.Concat(operation, []string{"responses"})

	place := slices.Concat(responses, []string{strconv.Itoa(sent.status)})
	if at(c.document, place...) == nil {
		place = slices.Concat(responses, []string{"default"})
	}

	if ref, ok := at(c.document, append(place, "$ref")...).(string); ok {
		place = strings.Split(ref, "/")[1:]
	}

	if headers, ok := at(c.document, append(place, "headers")...).(node); ok {
		for name := range headers {
			if err := c.checkHeader(append(place, "headers", name), sent.Header().Values(name)); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}

	content, _ := at(c.document, append(place, "content")...).(node)
	if method == http.MethodHead || len(content) == 0 && sent.body.Len() == 0 {
		return nil
	}

	media, _, err := mime.ParseMediaType(sent.Header().Get("Content-Type"))
	if err != nil || content[media] == nil {
		return fmt.Errorf("the media type %q is not in the document: %w", media, err)
	}

	if media == "text/event-stream" || media == "text/csv" {
		return nil
	}

	text := io.Reader(&sent.body)

	if sent.Header().Get("Content-Encoding") == "gzip" {
		if text, err = gzip.NewReader(text); err != nil {
			return err
		}
	}

	data, err := io.ReadAll(text)
	if err != nil {
		return err
	}

	return c.validate(data, append(place, "content", media, "schema")...)
}

func (c *contract) checkHeader(place, values []string) error {
	if ref, ok := at(c.document, append(place, "$ref")...).(string); ok {
		place = strings.Split(ref, "/")[1:]
	}

	if required := at(c.document, append(place, "required")...) == true; len(values) == 0 && !required {
		return nil
	}

	if len(values) != 1 {
		return fmt.Errorf("it is there %d times", len(values))
	}

	text := values[0]
	if at(c.document, append(place, "schema", "type")...) == "string" {
		text = strconv.Quote(text)
	}

	return c.validate([]byte(text), append(place, "schema")...)
}

// validate checks JSON against the schema at a place of the document.
func (c *contract) validate(data []byte, place ...string) error {
	names := make([]string, len(place))
	for i, name := range place {
		names[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
	}

	schema, err := c.schema("openapi#/" + strings.Join(names, "/"))
	if err != nil {
		return err
	}

	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}

	return schema.Validate(value)
}

func (c *contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.schemas[pointer] == nil {
		schema, err := c.compiler.Compile(pointer)
		if err != nil {
			return nil, err
		}

		c.schemas[pointer] = schema
	}

	return c.schemas[pointer], nil
}
