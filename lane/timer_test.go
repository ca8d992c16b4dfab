package lane_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// Timers fire in the order of their times, not too early, and once.
func TestTimers(t *testing.T) {
	l := lanetest.Hub(t)
	e := start(t, l, lanetest.NewFar(t), lane.Config{})
	began := time.Now()
	var order []int // the lane's
	var fired atomic.Int64
	delays := []int{9, 3, 27, 1, 3, 0, 15}
	for i, d := range delays {
		e.NewTimer(func() {
			if early := time.Duration(max(d, 1))*time.Millisecond - time.Since(began); early > 0 {
				t.Errorf("a timer of %d ms fires %v early", d, early)
			}
			order = append(order, i)
			fired.Add(1)
		}).Reset(time.Duration(d) * time.Millisecond)
	}
	never := e.NewTimer(func() { t.Error("a timer fires that was stopped") })
	never.Reset(2 * time.Millisecond)
	if !never.Stop() || never.Stop() {
		t.Error("Stop does not know what was set")
	}
	bustest.WaitFor(t, "all to fire", func() bool { return int(fired.Load()) == len(delays) })
	e.Close()
	at := func(i int) int { return max(delays[i], 1) }
	if !slices.IsSortedFunc(order, func(a, b int) int { return at(a) - at(b) }) {
		t.Errorf("timers of %v ms fire in the order %v", delays, order)
	}
}

// A timer that is set again fires at the later time alone; one may set itself.
func TestTimerReset(t *testing.T) {
	l := lanetest.Hub(t)
	e := start(t, l, lanetest.NewFar(t), lane.Config{})
	began := time.Now()
	var fired atomic.Int64
	var at time.Duration
	once := e.NewTimer(func() {
		at = time.Since(began)
		fired.Add(1)
	})
	once.Reset(2 * time.Millisecond)
	once.Reset(30 * time.Millisecond)
	var ticks atomic.Int64
	var took time.Duration
	var tick *lane.Timer
	tick = e.NewTimer(func() {
		took = time.Since(began)
		if ticks.Add(1) < 10 {
			tick.Reset(0)
		}
	})
	tick.Reset(0)
	bustest.WaitFor(t, "both", func() bool { return ticks.Load() == 10 && fired.Load() > 0 })
	e.Close()
	if took < 10*time.Millisecond {
		t.Errorf("10 times a millisecond take %v", took)
	}
	if at < 30*time.Millisecond || fired.Load() != 1 {
		t.Errorf("it fires %d times, after %v", fired.Load(), at)
	}
}

// The end waits for a timer's call, and no call comes after it.
func TestTimerEnds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one lane for both
	l := lanetest.Hub(t)
	start(t, l, lanetest.NewFar(t), lane.Config{})
	far := lanetest.NewFar(t)
	d := script(far)
	calling, ended := false, false // not atomic: the race detector tells, too
	d.close = func() {
		if calling {
			t.Error("the driver is closed while a timer is called")
		}
		ended = true
		d.Datagrams.Close()
	}
	e := startDriver(t, l, far, d, lane.Config{})
	began := make(chan struct{})
	e.NewTimer(func() {}).Reset(time.Hour)
	var late, tick *lane.Timer
	late = e.NewTimer(func() { // it may fire while Close waits
		if ended {
			t.Error("a timer fires after the end")
		}
	})
	tick = e.NewTimer(func() {
		calling = true
		late.Reset(0)
		close(began)
		for !e.Conn().Gone() { // Close is under way
			runtime.Gosched()
		}
		for range 1000 {
			runtime.Gosched()
		}
		if ended {
			t.Error("the driver is closed while a timer is called")
		}
		calling = false
	})
	tick.Reset(0)
	<-began
	e.Close()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		if at := strings.Index(string(text), "it_value:"); at >= 0 && !strings.HasPrefix(string(text[at:]), "it_value: (0, 0)") {
			t.Errorf("the lane waits for a timer of what has ended: %s", text[at:])
		}
	}
	tick.Reset(0)
	if tick.Stop() {
		t.Error("a timer is set after the end")
	}
}
