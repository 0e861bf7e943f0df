package settings

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
)

// Mappers read values whose mistakes Go's libraries would name in their own words.
func Mappers() []kong.Option {
	return []kong.Option{
		mapper(func(text string, value *kong.Value) (uuid.UUID, error) {
			id, err := uuid.Parse(text)
			if err != nil {
				what := cmp.Or(value.Tag.Get("what"), "an id")
				err = fmt.Errorf("%q: expected %s, a UUID such as 019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11", text, what)
			}

			return id, err
		}),
		mapper(func(text string, _ *kong.Value) (time.Duration, error) {
			d, err := time.ParseDuration(text)
			if err != nil {
				err = fmt.Errorf("%q: expected a duration such as 30s, 5m or 2h", text)
			}

			return d, err
		}),
	}
}

func mapper[T any](read func(text string, value *kong.Value) (T, error)) kong.Option { //nolint:ireturn // kong has nothing else
	return kong.TypeMapper(reflect.TypeFor[T](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err //nolint:wrapcheck // kong names the flag
		}

		value, err := read(text, ctx.Value)
		if err != nil {
			return err
		}

		target.Set(reflect.ValueOf(value))

		return nil
	}))
}

// Mistakes are all mistakes of the settings in the environment, if kong has found one of them: it ends at the first value
// that it cannot read. validate checks those that can be read.
func Mistakes(parser *kong.Kong, validate func() error, first error) error {
	var unread []error

	for _, flag := range parser.Model.Flags {
		for _, env := range flag.Envs {
			text, given := os.LookupEnv(env)
			if !given {
				continue
			}

			if err := parse(flag, text); err != nil {
				unread = append(unread, fmt.Errorf("%s: %w", env, err))
				_ = parse(flag, flag.Default) // a default can be read
			}
		}
	}

	if len(unread) == 0 {
		return first
	}

	return errors.Join(append(unread, validate())...)
}

func parse(flag *kong.Flag, text string) error {
	flag.Target.SetZero()

	token := kong.Token{Type: kong.FlagValueToken, Value: text}

	return flag.Parse(kong.ScanFromTokens(token), flag.Target) //nolint:wrapcheck // Mistakes does it
}
