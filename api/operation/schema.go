package operation

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
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

// An Optional is a value of an enum, or the empty string for none.
type Optional[T ~string] string

// Schema is the enum's or that of the empty string.
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[T](), true, ""),
		{Type: huma.TypeString, Enum: []any{""}},
	}}
}
