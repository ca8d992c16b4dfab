package lane

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Timer calls a function on the lane of an endpoint's first source. The driver of
// that source may Write meanwhile, and does not Read.
type Timer struct {
	src *source
	f   func()
	at  int64 // nanoseconds of CLOCK_MONOTONIC; 0: it is not set. Under timers.mu
}

// NewTimer makes a timer that is not set. f must not block, nor close the
// endpoint, and is not called after the endpoint's end.
func (e *Endpoint) NewTimer(f func()) *Timer { return &Timer{src: e.sources[0], f: f} }

// Reset has f called once, d from now or as much later as the lane has other
// turns, and not as it was set before. Less than a millisecond is one.
func (t *Timer) Reset(d time.Duration) {
	t.src.lane.timers.set(t, now()+int64(max(d, time.Millisecond)))
}

// Stop takes the timer back, and tells whether it was set.
func (t *Timer) Stop() bool { return t.src.lane.timers.set(t, 0) }

// timers are those of a lane that are set.
type timers struct {
	mu    sync.Mutex
	fd    int      // a timerfd, set to the earliest
	armed int64    // to when; 0: it is not set
	list  []*Timer // the earliest last
}

func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// set sets t to a time, and tells whether it was set before. at 0 takes it out.
func (l *timers) set(t *Timer, at int64) (was bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.src.watch.over() { // and the lane may be
		return false
	}
	if was = t.at != 0; was {
		i := slices.Index(l.list, t)
		l.list = slices.Delete(l.list, i, i+1)
	}
	if t.at = at; at != 0 {
		i, _ := slices.BinarySearchFunc(l.list, at, func(t *Timer, at int64) int {
			if t.at > at {
				return -1
			}
			return 1
		})
		l.list = slices.Insert(l.list, i, t)
	}
	l.armLocked()
	return was
}

// armLocked sets the timerfd to the earliest, which makes it unreadable as well.
func (l *timers) armLocked() {
	var spec unix.ItimerSpec // the zero one stops it
	at := int64(0)
	if n := len(l.list); n > 0 {
		at = l.list[n-1].at
		spec.Value = unix.NsecToTimespec(at)
	}
	if at != l.armed {
		l.armed = at
		_ = unix.TimerfdSettime(l.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
	}
}

// expire calls those whose time has come, in order.
func (l *timers) expire() {
	until := now()
	for t := l.take(until); t != nil; t = l.take(until) {
		t.call()
	}
}

// take takes the earliest out, if its time came until then, or else returns nil
// and sets the timerfd to it.
func (l *timers) take(until int64) *Timer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.list); n > 0 && l.list[n-1].at <= until {
		t := l.list[n-1]
		t.at = 0
		l.list = slices.Delete(l.list, n-1, n)
		return t
	}
	l.armLocked()
	return nil
}

func (t *Timer) call() {
	t.src.mu.Lock()
	defer t.src.mu.Unlock()
	if !t.src.closed {
		t.f()
	}
}

// forget takes out the timers of a source that has ended.
func (l *timers) forget(s *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(t *Timer) bool {
		if t.src == s {
			t.at = 0
		}
		return t.src == s
	})
	l.armLocked()
}
