package scenario_test

import (
	"slices"
	"testing"
	"time"

	"orders/cmd/bench/scenario"
)

func TestChoose(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		names []string
		soak  time.Duration
		want  []string
	}{
		{nil, 0, []string{
			"textbook", "broker", "broker hot", "ceiling", "floor", "spread", "hot", "2 processes", "4 processes",
			"distant", "latency", "overload", "killed", "mixed", "slow", "backlog", "history",
		}},
		{[]string{"hot", "ceiling"}, 0, []string{"ceiling", "hot"}},
		{[]string{"latency"}, 0, []string{"spread", "latency"}}, // its rate is a share of capacity
		{[]string{"spread", "overload"}, 0, []string{"spread", "overload"}},
		{[]string{"webhooks"}, 0, []string{"webhooks none", "webhooks healthy", "webhooks bad", "webhooks outage"}},
		{[]string{"webhooks outage"}, 0, []string{"webhooks none", "webhooks outage"}},
		{nil, time.Minute, []string{"spread", "soak"}},
	} {
		chosen, err := scenario.Choose(c.names, scenario.Durations{Soak: c.soak, KillAfter: time.Second, Outage: time.Second})
		if err != nil {
			t.Fatal(err)
		}

		got := make([]string, 0, len(chosen))
		for _, s := range chosen {
			got = append(got, s.Name())
		}

		if !slices.Equal(got, c.want) {
			t.Errorf("%q, %s: %q, want %q", c.names, c.soak, got, c.want)
		}
	}

	if _, err := scenario.Choose([]string{"spread", "sprd"}, scenario.Durations{}); err == nil {
		t.Error("an unknown scenario is chosen")
	}
}
