package operation

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"

	"github.com/bojanz/currency"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orders/api/problem"
)

// Text is free text. Its pattern excludes control characters and U+FFFD, which stands
// for bytes that are not UTF-8: Postgres refuses both.
type Text string

// Schema is the text's, without its length.
func (Text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            `^[^\x00-\x1f\x7f-\x9f�]*$`,
		PatternDescription: "text without control characters",
	}
}

// A Reason is a [Text] that is not only spaces.
type Reason string

// Schema is the reason's, without its length.
func (Reason) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            `^[^\x00-\x1f\x7f-\x9f�]*[^\x00-\x20\x7f-\xa0�][^\x00-\x1f\x7f-\x9f�]*$`,
		PatternDescription: "text without control characters that is not only spaces",
	}
}

// A Currency is one that clients send. What is stored may have another code, from before
// codes were checked.
type Currency string

var currencyCode = regexp.MustCompile("^[A-Z]{3}$")

// Schema is the code's. It does not list the codes: the list changes with the world.
func (Currency) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            currencyCode.String(),
		PatternDescription: "three capital letters",
		Description:        "ISO 4217 code of a currency that is in use",
	}
}

// Resolve refuses a code that no currency in use has. The list is CLDR's. That of
// golang.org/x/text/currency is of 2017: it lacks VES and has DEM.
func (c Currency) Resolve(_ huma.Context, path *huma.PathBuffer) []error {
	if !currencyCode.MatchString(string(c)) || currency.IsValid(string(c)) { // the schema refuses any other form
		return nil
	}

	return []error{&huma.ErrorDetail{Location: path.String(), Message: "expected the ISO 4217 code of a currency that is in use"}}
}

// uuidLength is the length of the one form of a UUID that is accepted. Libraries also
// read a UUID in braces, after urn:uuid:, and without its dashes.
const uuidLength = 36

// An ID is a UUID that clients send.
type ID uuid.UUID

// Schema is the id's.
func (ID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Format:             "uuid",
		Pattern:            "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
		PatternDescription: problem.UUID,
	}
}

// UnmarshalText reads the id.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != uuidLength || (*uuid.UUID)(id).UnmarshalText(text) != nil {
		return errors.New("expected string to be " + problem.UUID)
	}

	return nil
}

// MarshalText writes the id.
func (id ID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// An Optional is a value of an enum in a response, or null if it is empty.
type Optional[T ~string] string

// Schema is that of the enum or null. It is not another enum: generated clients have one
// type for each set of values.
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// MarshalJSON writes null for no value.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if o == "" {
		return []byte("null"), nil
	}

	return json.Marshal(string(o))
}

// UnmarshalJSON reads null as no value.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		*o = ""

		return nil
	}

	return json.Unmarshal(data, (*string)(o))
}
