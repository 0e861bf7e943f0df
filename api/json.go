package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON reads bodies without the liberties of encoding/json: of two equal
// keys it would take the last, where another reader on the way took the first,
// and it would put U+FFFD for bytes that are no text.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if err := json.Unmarshal(data, v); err != nil {
			return plain(err)
		}

		// huma decodes twice: into an any to validate it, then into the operation's type.
		if _, first := v.(*any); !first {
			return nil
		}

		if !utf8.Valid(data) {
			return errors.New("the text is not UTF-8")
		}

		return uniqueKeys(json.NewDecoder(bytes.NewReader(data)))
	},
}

// plain words a decoding error without the names of Go types in it.
func plain(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: a %s does not fit; numbers are integers without fraction or exponent", mismatch.Field, mismatch.Value)
	}

	return err
}

// uniqueKeys refuses a value in which an object has a key twice. The decoder's
// text is known to be valid, so it cannot fail otherwise.
func uniqueKeys(decoder *json.Decoder) error {
	token, err := decoder.Token()
	if err != nil {
		return fmt.Errorf("read value: %w", err)
	}

	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}

	seen := map[json.Token]bool{}

	for decoder.More() {
		if open == '{' {
			key, err := decoder.Token()
			if err != nil {
				return fmt.Errorf("read key: %w", err)
			}

			if seen[key] {
				return fmt.Errorf("the key %.40q is there twice", key)
			}

			seen[key] = true
		}

		if err := uniqueKeys(decoder); err != nil {
			return err
		}
	}

	_, err = decoder.Token() // the closing bracket

	return err
}
