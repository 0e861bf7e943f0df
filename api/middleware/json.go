package middleware

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// StrictJSON reads bodies more strictly than encoding/json. Of two equal keys,
// encoding/json takes the last one, while a proxy may take the first one. For bytes
// that are not text it writes U+FFFD. The package that is to be the next encoding/json
// refuses both, and takes half the time.
//
// huma decodes twice: into an any to validate it, then into the operation's type.
var StrictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if value, first := v.(*any); first {
			return reworded(decodeToValidate(data, value))
		}

		return reworded(decode(data, v))
	},
}

// null stands for JSON's null in what is validated. huma takes a null in an optional
// field for no field, although the field's schema does not allow null.
type null struct{}

func decodeToValidate(data []byte, v *any) error {
	err := strict.Unmarshal(data, v)
	if errors.Is(err, strconv.ErrRange) {
		err = strict.Unmarshal(data, v, hugeNumbers)
	}

	if err == nil && bytes.Contains(data, []byte("null")) {
		*v = markNulls(*v)
	}

	return err
}

// hugeNumbers decodes numbers beyond float64, such as 1e999, as infinity. They are
// JSON, so the schema's bounds must refuse them.
var hugeNumbers = strict.WithUnmarshalers(strict.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
	if d.PeekKind() != '0' {
		return errors.ErrUnsupported
	}

	number, err := d.ReadValue()
	*v, _ = strconv.ParseFloat(string(number), 64) // out of range, it is infinity

	return err
}))

func markNulls(v any) any {
	switch v := v.(type) {
	case nil:
		return null{}
	case map[string]any:
		for key, member := range v {
			v[key] = markNulls(member)
		}
	case []any:
		for i, item := range v {
			v[i] = markNulls(item)
		}
	}

	return v
}

// decode reads a body into an operation's type. For JSON Schema 1.0 and 1e3 are
// integers, and for encoding/json they are not: the body is then rewritten without them.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)

	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(mismatch.Value, "number") {
		canonical := jsontext.Value(bytes.Clone(data))
		if canonical.Canonicalize() == nil {
			return json.Unmarshal(canonical, v)
		}
	}

	return err
}

// reworded is a decoding error without the names of Go types and without the text that was sent.
func reworded(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what, _, _ := strings.Cut(mismatch.Value, " ") // the value of a number follows

		return fmt.Errorf("%s: a %s does not fit", mismatch.Field, what)
	}

	if semantic, ok := errors.AsType[*strict.SemanticError](err); ok {
		return fmt.Errorf("%s: a %s does not fit", cmp.Or(string(semantic.JSONPointer), "the body"), semantic.JSONKind)
	}

	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("byte %d: the key is there twice", syntactic.ByteOffset)
		}

		return fmt.Errorf("byte %d: this is not JSON", syntactic.ByteOffset)
	}

	return err
}
