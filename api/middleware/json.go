package middleware

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

// StrictJSON reads bodies more strictly than encoding/json. Of two equal keys,
// encoding/json takes the last one, while a proxy may take the first one. For bytes
// that are not text it writes U+FFFD. The package that is to be the next encoding/json
// refuses both, and takes half the time.
var StrictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		// huma decodes twice: into an any to validate it, then into the operation's type.
		if _, first := v.(*any); first {
			return reworded(strict.Unmarshal(data, v))
		}

		return reworded(json.Unmarshal(data, v))
	},
}

// reworded is a decoding error without the names of Go types and without the text that was sent.
func reworded(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what, _, _ := strings.Cut(mismatch.Value, " ") // the value of a number follows

		return fmt.Errorf("%s: a %s does not fit; numbers are integers without fraction or exponent", mismatch.Field, what)
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
