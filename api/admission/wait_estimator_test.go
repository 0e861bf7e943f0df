package admission_test

import (
	"testing"
	"time"

	"orders/api/admission"
	"orders/db/jobqueue"
)

// A line is a queue by arithmetic: what comes in and is worked off, in ids a
// second, read once a second as the API does.
type line struct {
	estimator  admission.WaitEstimator
	now        time.Time
	head, tail float64
	comings    []float64 // when the ids came, by seconds: comings[n] is the tail after n
}

func newLine() *line { return &line{now: time.Unix(0, 0), comings: []float64{0}} }

// second lets one pass and returns what is estimated.
func (l *line) second(comes, capacity float64) time.Duration {
	l.now = l.now.Add(time.Second)
	l.tail += comes
	l.head = min(l.head+capacity, l.tail)
	l.comings = append(l.comings, l.tail)

	b := jobqueue.Backlog{At: l.now, Head: int64(l.head) + 1, Last: int64(l.tail)}
	if l.head < l.tail {
		b.Waited = l.waited()
	}

	return l.estimator.Next(b)
}

// waited is how long ago the head came.
func (l *line) waited() time.Duration {
	n := len(l.comings) - 1
	for n > 0 && l.comings[n-1] > l.head {
		n--
	}

	return time.Duration(len(l.comings)-1-n) * time.Second
}

const idsPerSecond = 1_000 // that the workers of these tests can do

func TestWaitOfAQueueThatKeepsUpIsNoWait(t *testing.T) {
	t.Parallel()

	l := newLine()

	for n, comes := range []float64{0, 0, 10, 900, 900, 900, 1, 0, 900, 1_500, 300, 900, 0} {
		if wait := l.second(comes, idsPerSecond); wait > 0 {
			t.Errorf("second %d: %s", n, wait)
		}
	}
}

// The oldest job has waited for two thirds of the time; an order that comes now waits for twice the time.
func TestWaitEstimateLooksAhead(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 6 {
		l.second(3*idsPerSecond, idsPerSecond)
	}

	if wait := l.second(3*idsPerSecond, idsPerSecond); wait < 13*time.Second || wait > 15*time.Second {
		t.Errorf("%s, want 14 s", wait)
	}
}

// At any overload, what is accepted comes to what can be done: workers never run
// out of work, and the wait stays near the bound.
func TestEstimateAndShareAcceptWhatCanBeDone(t *testing.T) {
	t.Parallel()

	const bound = 30 * time.Second

	for _, times := range []float64{1.1, 1.5, 3, 10} {
		l := newLine()

		var wait time.Duration

		accepted := 0.0

		for n := range 600 {
			comes := times * idsPerSecond * (1 - admission.RefusedShare(wait, bound))
			wait = l.second(comes, idsPerSecond)

			if n < 400 {
				continue
			}

			if comes < idsPerSecond*3/4 || comes > idsPerSecond*5/4 {
				t.Errorf("%g times: second %d: %.0f of %d that can be done are accepted", times, n, comes, idsPerSecond)
			}

			accepted += comes
			truly := time.Duration((l.tail - l.head) / idsPerSecond * float64(time.Second))

			if truly < bound*9/10 || truly > bound*16/10 {
				t.Errorf("%g times: second %d: new work would wait %s, %s is estimated", times, n, truly, wait)
			}
		}

		if share := accepted / 200 / idsPerSecond; share < 0.98 || share > 1.02 {
			t.Errorf("%g times: %.0f %% of what can be done is accepted", times, 100*share)
		}
	}
}

// Whatever workers had to do when they were stopped for a new version, the time
// they are away is what is added.
func TestWaitOfWorkersThatAreAwayForAWhile(t *testing.T) {
	t.Parallel()

	for name, before := range map[string]float64{"with nothing left": 500, "behind by ten seconds": 2 * idsPerSecond} {
		for tenths := range 10 {
			l := newLine()
			for range 10 {
				l.second(before, idsPerSecond)
			}

			worst := l.second(500, idsPerSecond*float64(tenths)/10) // they stop somewhere in it
			for range 10 {
				worst = max(worst, l.second(500, 0))
			}

			worst = max(worst, l.second(500, idsPerSecond*float64(tenths)/10)) // and are back somewhere in it

			for range 10 {
				worst = max(worst, l.second(500, idsPerSecond))
			}

			if worst > 25*time.Second || worst < 5*time.Second {
				t.Errorf("%s, stopped after %d tenths: %s", name, tenths, worst)
			}

			for range 60 {
				worst = l.second(500, idsPerSecond)
			}

			if worst != 0 {
				t.Errorf("%s, stopped after %d tenths: %s at the end", name, tenths, worst)
			}
		}
	}
}

// The only interval in which work waited is the one in which they stopped: that is no rate.
func TestWaitOfWorkersThatStopAtABurst(t *testing.T) {
	t.Parallel()

	l := newLine()
	l.second(0, idsPerSecond)
	l.second(2_500, idsPerSecond)

	worst := l.second(0, 50)
	for range 5 {
		worst = max(worst, l.second(0, 0))
	}

	if worst > 10*time.Second {
		t.Errorf("%s", worst)
	}
}

// A rate is forgotten when it is over: the next burst may meet more workers.
func TestEstimateForgetsARateThatIsOver(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 10 {
		l.second(idsPerSecond/5, idsPerSecond/10)
	}

	for range 5 {
		l.second(0, idsPerSecond)
	}

	worst := l.second(10*idsPerSecond, idsPerSecond)
	for range 10 {
		worst = max(worst, l.second(0, idsPerSecond))
	}

	if worst > 10*time.Second {
		t.Errorf("%s for what takes 10 s at most", worst)
	}
}

// Nobody works: no rate is known, and what has waited longest tells.
func TestWaitOfAQueueThatNobodyWorks(t *testing.T) {
	t.Parallel()

	l := newLine()

	var wait time.Duration
	for range 40 {
		wait = l.second(1, 0)
	}

	if wait < 35*time.Second || wait > 40*time.Second {
		t.Errorf("%s after 40 s", wait)
	}

	for range 10 {
		l.second(2*idsPerSecond, idsPerSecond) // now there is a rate, and what waits is little
	}

	for range 40 {
		wait = l.second(1, 0)
	}

	if wait < 40*time.Second || wait > 50*time.Second {
		t.Errorf("%s after 40 s more", wait)
	}
}

// Jobs that are back, old as they are, say nothing about new ones.
func TestEstimateIsNotMisledByJobsThatAreBack(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 10 {
		l.second(900, idsPerSecond)
	}

	wait := l.estimator.Next(jobqueue.Backlog{At: l.now.Add(time.Second / 2), Head: 1, Last: int64(l.tail), Waited: time.Hour})
	if wait != 0 {
		t.Errorf("%s", wait)
	}

	if wait = l.second(900, idsPerSecond); wait != 0 {
		t.Errorf("%s when they are done", wait)
	}
}

// The head of a short queue is what has come last: the oldest tells that nobody works.
func TestEstimateSeesAShortQueueThatStands(t *testing.T) {
	t.Parallel()

	var (
		estimator admission.WaitEstimator
		wait      time.Duration
	)

	for n := range int64(8) {
		age := time.Duration(n) * time.Second
		wait = estimator.Next(jobqueue.Backlog{At: time.Unix(n, 0), Head: 3*n + 1, Last: 3*n + 1, Waited: age})
	}

	if wait != 7*time.Second {
		t.Errorf("%s, want as long as the oldest has waited", wait)
	}

	// Somebody works again: the next ones are young.
	if wait = estimator.Next(jobqueue.Backlog{At: time.Unix(8, 0), Head: 40, Last: 40, Waited: 10 * time.Millisecond}); wait != 0 {
		t.Errorf("%s after the oldest is gone", wait)
	}
}
