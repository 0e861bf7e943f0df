package admission_test

import (
	"slices"
	"testing"
	"time"

	"orders/api/admission"
	"orders/db/jobqueue"
)

// A line is a queue by arithmetic: jobs come in and are worked off, and the queue is read once a
// second as the API does.
type line struct {
	estimator admission.WaitEstimator
	work      admission.Arrivals
	now       time.Time
	waiting   []job
	stuck     []job // that no worker does
	stopped   bool  // no worker lives
	came      float64
	room      float64
	share     float64
}

type job struct {
	at     time.Time
	orders float64
}

func newLine() *line { return &line{now: time.Unix(0, 0), room: 1} }

// second lets one pass, in which as many orders come as jobs of the weight, and returns what is estimated.
func (l *line) second(comes, weight, capacity float64) time.Duration {
	const parts = 50 // of a second: a job begins when its time has come

	arrived := make([]jobqueue.Arrival, 0, parts)

	for range parts {
		l.now = l.now.Add(time.Second / parts)

		came := jobqueue.Arrival{At: l.now}

		for l.came += comes / parts; l.came >= weight; l.came -= weight {
			l.waiting = append(l.waiting, job{l.now, weight})
			came.Orders += weight
		}

		arrived = append(arrived, came)

		for left := capacity / parts; left > 0 && len(l.waiting) > 0; {
			done := min(left, l.waiting[0].orders)
			left -= done

			if l.waiting[0].orders -= done; l.waiting[0].orders <= 0 {
				l.waiting = l.waiting[1:]
			}
		}
	}

	b := l.backlog()
	l.work.Add(arrived...)
	l.work.Forget(b.Head.Add(-time.Minute))

	return l.estimator.Next(b, &l.work)
}

func (l *line) backlog() jobqueue.Backlog {
	b := jobqueue.Backlog{Queue: "points", At: l.now, Oldest: l.now, Head: l.now, Workers: 1}
	if l.stopped {
		b.Workers = 0
	}

	head := slices.Concat(l.stuck, l.waiting[:min(len(l.waiting), jobqueue.HeadJobs)])
	if b.Waiting = min(len(head), jobqueue.HeadJobs); b.Waiting > 0 {
		b.Oldest, b.Head = head[0].at, head[b.Waiting-1].at
	}

	return b
}

// truly is how long new work will wait.
func (l *line) truly(capacity float64) time.Duration {
	sum := 0.0
	for _, j := range l.waiting {
		sum += j.orders
	}

	return time.Duration(sum / capacity * float64(time.Second))
}

const perSecond = 1_000.0 // orders that the workers of these tests can do

func TestWaitOfAQueueThatKeepsUpIsNoWait(t *testing.T) {
	t.Parallel()

	l := newLine()

	for n, comes := range []float64{0, 0, 10, 900, 900, 900, 1, 0, 900, 1_500, 300, 900, 0} {
		if wait := l.second(comes, 1, perSecond); wait > 0 {
			t.Errorf("second %d: %s", n, wait)
		}
	}
}

// The oldest job has waited for two thirds of the time; an order that comes now waits for twice the time.
func TestWaitEstimateLooksAhead(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 9 {
		l.second(3*perSecond, 1, perSecond)
	}

	if wait := l.second(3*perSecond, 1, perSecond); wait < 18*time.Second || wait > 22*time.Second {
		t.Errorf("%s, want 20 s", wait)
	}
}

// The wait is counted in orders: by jobs, the head tells nothing about a tail of another weight.
func TestWaitEstimateCountsOrdersAndNotJobs(t *testing.T) {
	t.Parallel()

	const full = 100

	for name, weights := range map[string][2]float64{
		"a head of full jobs and a tail of single ones": {full, 1},
		"a head of single jobs and a tail of full ones": {1, full},
	} {
		l := newLine()

		for second := range 30 {
			weight := weights[0]
			if second >= 12 {
				weight = weights[1]
			}

			wait := l.second(4*perSecond, weight, perSecond)

			if truly := l.truly(perSecond); second > 8 && (wait < truly*8/10 || wait > truly*12/10) {
				t.Errorf("%s: second %d: %s, want %s", name, second, wait, truly)
			}
		}
	}
}

// At any overload, what is accepted comes to what can be done: workers never run
// out of work, and the wait stays near the bound.
func TestEstimateAndShareAcceptWhatCanBeDone(t *testing.T) {
	t.Parallel()

	const bound = 30 * time.Second

	for _, times := range []float64{1.1, 1.5, 3, 10} {
		l := newLine()
		accepted := 0.0

		for n := range 600 {
			comes := times * perSecond * (1 - l.share)
			wait := l.second(comes, 1, perSecond)
			l.refuse(comes, wait, bound)

			if n < 400 {
				continue
			}

			accepted += comes

			if truly := l.truly(perSecond); truly < bound*9/10 || truly > bound*16/10 {
				t.Errorf("%g times: second %d: new work would wait %s, %s is estimated", times, n, truly, wait)
			}
		}

		if share := accepted / 200 / perSecond; share < 0.97 || share > 1.03 {
			t.Errorf("%g times: %.0f %% of what can be done is accepted", times, 100*share)
		}
	}
}

// refuse makes the share of a second, as a controller does.
func (l *line) refuse(arrived float64, wait, bound time.Duration) {
	l.room = admission.RoomFor(arrived, l.estimator.Rate(), l.share, l.room)
	l.share = min(admission.RefusedShare(wait, bound), 1-l.room)
}

// While no worker lives, all orders are accepted. When workers return, the shop stays open: what
// comes in is accepted up to half of what they do, however long the backlog is.
func TestABacklogOfAnOutageDoesNotCloseTheShop(t *testing.T) {
	t.Parallel()

	const (
		bound  = 30 * time.Second
		weight = 10
	)

	for _, load := range []float64{0.4, 0.9, 3} {
		l := newLine()
		l.stopped = true

		for second := range 200 {
			if wait := l.second(load*perSecond, weight, 0); wait != 0 {
				t.Fatalf("second %d of the outage: %s", second, wait)
			}
		}

		l.stopped = false
		worst, recent, recovered := 0.0, []float64{}, false

		for second := range 2_000 {
			accepted := load * perSecond * (1 - l.share)
			wait := l.second(accepted, weight, perSecond)
			l.refuse(accepted, wait, bound)
			worst = max(worst, wait.Seconds())
			recent = append(recent, accepted)
			recovered = recovered || second > 10 && wait < 2*bound

			if second < 20 || second%10 != 0 || recovered {
				continue
			}

			sum := 0.0
			for _, a := range recent[second-10 : second] {
				sum += a / 10
			}

			if least := min(load, 0.5) * perSecond; sum < least*8/10 {
				t.Fatalf("%g: second %d: %.0f orders a second are accepted, want %.0f", load, second, sum, least)
			}
		}

		if worst < bound.Seconds() || !recovered {
			t.Errorf("%g: a backlog of %.0f s; recovered: %t", load, worst, recovered)
		}
	}
}

// A worker that is frozen for some seconds looks alive: what is added is about the time that it was away.
func TestWaitOfWorkersThatAreFrozenForAWhile(t *testing.T) {
	t.Parallel()

	for name, before := range map[string]float64{"with nothing left": 500, "behind by ten seconds": 2 * perSecond} {
		for tenths := range 10 {
			l := newLine()
			for range 10 {
				l.second(before, 1, perSecond)
			}

			worst := l.second(500, 1, perSecond*float64(tenths)/10) // they stop somewhere in it
			for range 8 {
				worst = max(worst, l.second(500, 1, 0))
			}

			worst = max(worst, l.second(500, 1, perSecond*float64(tenths)/10)) // and are back somewhere in it

			for range 10 {
				worst = max(worst, l.second(500, 1, perSecond))
			}

			if worst > 30*time.Second {
				t.Errorf("%s, stopped after %d tenths: %s", name, tenths, worst)
			}

			for range 60 {
				worst = l.second(500, 1, perSecond)
			}

			if worst != 0 {
				t.Errorf("%s, stopped after %d tenths: %s at the end", name, tenths, worst)
			}
		}
	}
}

// A rate is forgotten when it is over: the next burst may meet more workers.
func TestEstimateForgetsARateThatIsOver(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 10 {
		l.second(perSecond/5, 1, perSecond/10)
	}

	for range 5 {
		l.second(0, 1, perSecond)
	}

	worst := l.second(10*perSecond, 1, perSecond)
	for range 10 {
		worst = max(worst, l.second(0, 1, perSecond))
	}

	if worst > 11*time.Second {
		t.Errorf("%s for what takes 10 s at most", worst)
	}
}

// Slow workers finish a transaction every few seconds. The seconds between are part of the rate.
func TestEstimateOfWorkersThatAdvanceInBursts(t *testing.T) {
	t.Parallel()

	l := newLine()

	var wait time.Duration

	for second := range 40 {
		capacity := 0.0
		if second%4 == 0 {
			capacity = perSecond
		}

		wait = l.second(2*perSecond, 10, capacity)
	}

	if truly := l.truly(perSecond / 4); wait < truly/2 || wait > truly*2 {
		t.Errorf("%s, want %s", wait, truly)
	}
}

// Jobs that no worker does, old as they are, say nothing about new ones: neither a few of them nor
// so many that they are the queue's head.
func TestStuckJobsAreNoOverload(t *testing.T) {
	t.Parallel()

	for _, n := range []int{1, jobqueue.HeadJobs - 1, 10 * jobqueue.HeadJobs} {
		for name, before := range map[string]float64{"after calm": 0.5, "after overload": 3} {
			l := newLine()
			for range 10 {
				l.second(before*perSecond, 1, perSecond)
			}

			for range n {
				l.stuck = append(l.stuck, job{at: l.now.Add(-time.Hour), orders: 1})
			}

			var wait time.Duration
			for range 120 {
				wait = l.second(perSecond/2, 1, perSecond)
			}

			if wait != 0 {
				t.Errorf("%d stuck jobs %s: %s", n, name, wait)
			}
		}
	}
}

// What a long backlog leaves behind is no overload from the moment at which the backlog is gone.
func TestAFewJobsAreNoOverload(t *testing.T) {
	t.Parallel()

	l := newLine()
	for range 10 {
		l.second(3*perSecond, 1, perSecond)
	}

	l.stuck, l.waiting = l.backlogOf(jobqueue.HeadJobs-1), nil // other workers have come

	if wait := l.second(perSecond/2, 1, perSecond); wait != 0 {
		t.Errorf("%s", wait)
	}
}

// backlogOf are the oldest jobs that wait.
func (l *line) backlogOf(n int) []job { return slices.Clone(l.waiting[:n]) }

// A paused queue, and one without workers, has no wait, and its rate is forgotten.
func TestAQueueThatIsNotWorkedIsNoOverload(t *testing.T) {
	t.Parallel()

	for _, obstacle := range []jobqueue.Obstacle{jobqueue.ObstaclePaused, jobqueue.ObstacleNoWorker} {
		l := newLine()

		var wait time.Duration
		for range 20 {
			wait = l.second(3*perSecond, 1, perSecond)
		}

		if wait < 30*time.Second {
			t.Fatalf("%s while the queue is worked", wait)
		}

		b := l.backlog()
		if b.Workers = 0; obstacle == jobqueue.ObstaclePaused {
			b.Workers, b.Paused = 1, &l.now
		}

		if b.Obstacle() != obstacle {
			t.Errorf("%q, want %q", b.Obstacle(), obstacle)
		}

		if wait := l.estimator.Next(b, &l.work); wait != 0 {
			t.Errorf("%s: %s", obstacle, wait)
		}

		if wait := l.second(perSecond, 1, perSecond); wait != 0 {
			t.Errorf("%s after %s", wait, obstacle)
		}
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()

	at := func(seconds float64) time.Time {
		return time.Unix(100, 0).Add(time.Duration(seconds * float64(time.Second)))
	}

	var work admission.Arrivals
	if n := work.Until(at(0)); n != 0 {
		t.Errorf("%g orders of none", n)
	}

	work.Add(jobqueue.Arrival{At: at(1), Orders: 10}, jobqueue.Arrival{At: at(3), Orders: 100})
	work.Add(jobqueue.Arrival{At: at(2), Orders: 1}) // committed later

	for range 2 {
		for seconds, want := range map[float64]float64{1.5: 10.5, 2: 11, 2.5: 61, 3: 111, 9: 111} {
			if n := work.Until(at(seconds)); n != want {
				t.Errorf("%g orders until %g, want %g", n, seconds, want)
			}
		}

		work.Forget(at(1)) // what came before is still counted
		work.Forget(at(1))
	}

	work.Forget(at(2.5))

	if n := work.Until(at(2.75)); n != 61 { // of the second half, the half
		t.Errorf("%g orders until 2.75, want 61", n)
	}
}
