package deliver

import (
	"testing"
	"time"

	"orders/db/delivery"
)

func TestWhatDisablesAnEndpoint(t *testing.T) {
	t.Parallel()

	const long, short = 6 * 24 * time.Hour, 4 * 24 * time.Hour

	for name, c := range map[string]struct {
		kind    delivery.Kind
		failing time.Duration
		answers []Answer
		want    bool
	}{
		"410":                              {delivery.Webhook, 0, []Answer{{Arrived: true}, {Gone: true}}, true},
		"nothing for long":                 {delivery.Webhook, long, []Answer{{}, {}}, true},
		"nothing for some days":            {delivery.Webhook, short, []Answer{{}}, false},
		"one arrives after long":           {delivery.Webhook, long, []Answer{{}, {Arrived: true}}, false},
		"a mail server that was long away": {delivery.Mail, long, []Answer{{}}, false},
	} {
		got := disable(delivery.Endpoint{Kind: c.kind, FailingFor: c.failing}, c.answers)
		if (got != "") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
