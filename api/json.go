package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON reads bodies without the liberties of encoding/json: of two equal
// keys it would take the last, where another reader on the way took the first,
// and it would put U+FFFD for bytes that are no text. What is to be the next
// encoding/json refuses both, and reads in half the time.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		// huma decodes twice: into an any to validate it, then into the operation's type.
		if _, first := v.(*any); first {
			return reworded(strict.Unmarshal(data, v))
		}

		return reworded(json.Unmarshal(data, v))
	},
}

// reworded is a decoding error without the names of Go types, and without the text that was sent.
func reworded(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what, _, _ := strings.Cut(mismatch.Value, " ") // of a number, the number follows

		return fmt.Errorf("%s: a %s does not fit; numbers are integers without fraction or exponent", mismatch.Field, what)
	}

	if beyond, ok := errors.AsType[*strict.SemanticError](err); ok {
		return fmt.Errorf("%s: a %s does not fit", cmp.Or(string(beyond.JSONPointer), "the whole"), beyond.JSONKind)
	}

	if broken, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("byte %d: the key is there twice", broken.ByteOffset)
		}

		return fmt.Errorf("byte %d: this is no JSON", broken.ByteOffset)
	}

	return err
}
