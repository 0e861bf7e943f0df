package deliver

import (
	"errors"
	"slices"
	"time"

	"github.com/sony/gobreaker/v2"

	"orders/db/delivery"
)

// FewAtOnce is how many requests an endpoint gets at a time, at first and when something has not arrived.
const FewAtOnce = 8

const (
	mostAtOnce  = 64        // while all arrive: one that answers after 50 ms takes 1,280 events a second then, and 160 else
	longestHold = time.Hour // of what an endpoint that asks for later can pause itself for
	firstPause  = 15        // times shorter than the longest
)

// A pace is how fast this process sends to an endpoint. One round at a time uses it.
type pace struct {
	breaker  *gobreaker.TwoStepCircuitBreaker[Answer]
	atOnce   int
	refusals int // in a row, of events for what they are
}

var errNotArrived = errors.New("the event has not arrived")

// paceOf is the endpoint's pace in this process. The row's paused_until makes other processes wait, too.
func (f *Followers) paceOf(e delivery.Endpoint) *pace {
	f.mu.Lock()
	defer f.mu.Unlock()

	p := f.paces[e.ID]
	if p == nil {
		p = &pace{atOnce: FewAtOnce, breaker: gobreaker.NewTwoStepCircuitBreaker[Answer](gobreaker.Settings{
			MaxRequests: 1,
			Timeout:     f.Pause / firstPause * 9 / 10, //nolint:mnd // it must have passed when paused_until has
			ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= f.Trips },
		})}
		f.paces[e.ID] = p
	}

	return p
}

// works tells whether the endpoint does. A refusal may be about its event alone, but so many in a row are about the endpoint.
func (p *pace) works(answers []Answer, many int) bool {
	arrived, refused := false, false

	for _, a := range answers {
		switch {
		case a.Arrived:
			p.refusals, arrived = 0, true
		case a.Alone:
			p.refusals++
			refused = true
		}
	}

	return arrived || refused && p.refusals < many
}

// adapt doubles what is sent to a webhook at once if all of it has arrived, and falls back when something has not. Mail servers
// bound the connections of a client.
func (p *pace) adapt(kind delivery.Kind, answers []Answer) {
	switch {
	case slices.ContainsFunc(answers, func(a Answer) bool { return !a.Arrived }):
		p.atOnce = FewAtOnce
	case kind == delivery.Webhook && len(answers) >= 2*p.atOnce:
		p.atOnce = min(2*p.atOnce, mostAtOnce)
	}
}

// pauseOf is as long as the endpoint has been failing, within bounds. So a short outage is soon over, and a long one costs few
// attempts.
func (f *Followers) pauseOf(e delivery.Endpoint) time.Duration {
	return min(max(e.FailingFor, f.Pause/firstPause), f.Pause)
}

// disable says why a webhook gets no more events; empty if it does. Mail goes on when its server is back.
func disable(e delivery.Endpoint, answers []Answer) string {
	is := func(what func(Answer) bool) bool { return slices.ContainsFunc(answers, what) }

	switch {
	case e.Kind != delivery.Webhook:
	case is(func(a Answer) bool { return a.Gone }):
		return "it answered 410 Gone"
	case e.FailingFor > longestFailing && !is(func(a Answer) bool { return a.Arrived }):
		return "nothing has arrived for five days"
	}

	return ""
}
