package order_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"orders/order"
)

func TestParseMoment(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	pattern := regexp.MustCompile(order.MomentPattern)

	for text, want := range map[string]time.Time{
		"now":                       now,
		"now-90s":                   now.Add(-90 * time.Second),
		"now-30m":                   now.Add(-30 * time.Minute),
		"now-2h":                    now.Add(-2 * time.Hour),
		"now-1d":                    now.AddDate(0, 0, -1),
		"now-2w":                    now.AddDate(0, 0, -14),
		"2026-11-25":                now.Add(-36 * time.Hour),
		"2026-11-26T11:00:00Z":      now.Add(-time.Hour),
		"2026-11-26T11:00Z":         now.Add(-time.Hour),
		"2026-11-26T12:00:00+01:00": now.Add(-time.Hour),
		"2026-11-26T11:00:00.5Z":    now.Add(-time.Hour + 500*time.Millisecond),
		"2026-11-26 11:00":          now.Add(-time.Hour),
		"1900-01-01":                time.Unix(0, 0),
		"0001-01-01":                time.Unix(0, 0),
		"now-20000d":                time.Unix(0, 0),
		"now-99999999d":             time.Unix(0, 0),
	} {
		m, err := order.ParseMoment("since", text)
		if err != nil || !m.Time(now).Equal(want) || !pattern.MatchString(text) {
			t.Errorf("%s: %s, %v; want %s", text, m.Time(now), err, want)
		}
	}

	for _, text := range []string{"yesterday", "now-2", "now+2h", "now-2y", "12:00", "2026-13-01", "2026-11-26T25:00Z", "now-9999999999d", " now", "1900-02-30"} {
		_, err := order.ParseMoment("until", text)
		if refusal, ok := errors.AsType[*order.Error](err); !ok || refusal.Code != order.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}

	if m, err := order.ParseMoment("since", ""); err != nil || m != (order.Moment{}) {
		t.Errorf("nothing: %+v, %v", m, err)
	}
}

func TestParsePeriod(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		since, until string
		refused      bool
	}{
		{since: "now-2h", until: "now-1h"},
		{since: "now-1h", until: "now-1h"},
		{since: "now"},
		{until: "1900-01-01"},
		{since: "1900-01-01", until: "1950-01-01"},
		{since: "2026-01-01", until: "now"},
		{since: "now-1h", until: "now-2h", refused: true},
		{since: "2026-01-02", until: "2026-01-01", refused: true},
		{since: "now-1h", until: "2026-01-01", refused: true},
		{since: "9999-01-01", until: "now", refused: true},
		{since: "tomorrow", refused: true},
	} {
		_, _, err := order.ParsePeriod("--", test.since, test.until)
		if refusal, ok := errors.AsType[*order.Error](err); ok != test.refused || ok && !strings.Contains(refusal.Message, "--since") {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
