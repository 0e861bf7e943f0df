package order

import (
	"cmp"
	"regexp"
	"strconv"
	"time"
)

// A Moment is a time as people give it: a time, or how long before now it is. What is before
// now stays so until the database resolves it, by its own clock. The zero Moment is none.
type Moment struct {
	At       time.Time     `json:"at,omitzero"`
	Relative bool          `json:"relative,omitzero"` // to now: Ago counts, and At does not
	Ago      time.Duration `json:"ago,omitzero"`
}

// MomentSyntax says in words what [ParseMoment] reads.
const MomentSyntax = "a time such as 2026-11-26T12:00:00Z, a date, or now-30m, now-2h or now-1d"

// MomentPattern matches what [ParseMoment] reads.
const MomentPattern = `^(now(-[0-9]{1,9}[smhdw])?|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,18}(Z|[+-][0-9]{2}:[0-9]{2})?)?)$`

var (
	relative = regexp.MustCompile(`^now(?:-([0-9]{1,9})([smhdw]))?$`)

	units = map[string]time.Duration{
		"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}

	// layouts are the forms of a time. One without a zone is UTC.
	layouts = []string{
		time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04",
		"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
	}
)

// earliest stands for all moments before it: ids of orders have no time before, and nothing happened then.
var earliest = time.Unix(0, 0).UTC()

// longestAgo keeps moments after earliest.
const longestAgo = 50 * 365 * 24 * time.Hour

// ParseMoment reads the value of since or until; the zero Moment if text is empty. A date is its
// first moment, in UTC.
func ParseMoment(name, text string) (Moment, error) {
	if text == "" {
		return Moment{}, nil
	}

	if parts := relative.FindStringSubmatch(text); parts != nil {
		n, _ := strconv.ParseFloat(cmp.Or(parts[1], "0"), 64) // nothing for now itself
		unit := units[parts[2]]
		if n*unit.Hours() > longestAgo.Hours() {
			return Moment{At: earliest}, nil
		}

		return Moment{Relative: true, Ago: time.Duration(n) * unit}, nil
	}

	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			if at.Before(earliest) {
				at = earliest
			}

			return Moment{At: at.UTC()}, nil
		}
	}

	return Moment{}, Errorf(Invalid, "Give %s as %s.", name, MomentSyntax)
}

// Time is the moment, if now is now.
func (m Moment) Time(now time.Time) time.Time {
	if m.Relative {
		return now.Add(-m.Ago)
	}

	return m.At
}

// ParsePeriod reads since and until, and refuses a period that ends before it begins. prefix is what stands before their
// names where they are given, such as -- of flags.
func ParsePeriod(prefix, since, until string) (from, to Moment, err error) {
	if from, err = ParseMoment(prefix+"since", since); err != nil {
		return from, to, err
	}

	if to, err = ParseMoment(prefix+"until", until); err != nil {
		return from, to, err
	}

	return from, to, CheckPeriod(prefix, from, to)
}

// CheckPeriod refuses a period that ends before it begins.
func CheckPeriod(prefix string, since, until Moment) error {
	now := time.Now() //nolint:forbidigo // decides only if one bound is a time and the other is before now
	if none := (Moment{}); since == none || until == none || !until.Time(now).Before(since.Time(now)) {
		return nil
	}

	return Errorf(Invalid, "%[1]suntil is before %[1]ssince: give %[1]suntil as a later time, or leave one of them out.", prefix)
}
