package bustest

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// goroutine is the head of a goroutine in a dump of all stacks.
var goroutine = regexp.MustCompile(`(?m)^goroutine (\d+) `)

// goroutines lists the numbers of those that run now.
func goroutines() (numbers []string) {
	buf := make([]byte, 1<<20)
	for _, m := range goroutine.FindAllSubmatch(buf[:runtime.Stack(buf, true)], -1) {
		numbers = append(numbers, string(m[1]))
	}
	return numbers
}

func (s *suite) checkGoroutines() error {
	before := goroutines()
	started := func() (more int) {
		for _, number := range goroutines() {
			if !slices.Contains(before, number) {
				more++
			}
		}
		return more
	}
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err == nil {
		s.talk(all, 0)
		l.Bus.Tick(time.Unix(1700000000, 0))
		if !wait(func() bool { return started() == 0 }) {
			err = fmt.Errorf("%d goroutines more than before: a policy has none of its own", started())
		}
	}
	return errors.Join(err, l.close())
}

// busy runs functions over and over until the first ones are done, and
// collects what went wrong.
type busy struct {
	work, rest sync.WaitGroup
	done       atomic.Bool
	mu         sync.Mutex
	err        error
}

func (b *busy) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = errors.Join(b.err, err)
}

// do calls f n times.
func (b *busy) do(n int, f func(i int) error) {
	b.work.Add(1)
	go func() {
		defer b.work.Done()
		for i := range n {
			if err := f(i); err != nil {
				b.fail(err)
				return
			}
		}
	}()
}

// meanwhile calls f until all that do does is done.
func (b *busy) meanwhile(f func(i int) error) {
	b.rest.Add(1)
	go func() {
		defer b.rest.Done()
		for i := 0; !b.done.Load(); i++ {
			if err := f(i); err != nil {
				b.fail(err)
				return
			}
		}
	}()
}

func (b *busy) wait() error {
	b.work.Wait()
	b.done.Store(true)
	b.rest.Wait()
	return b.err
}

// liveFrames is how many frames each sender of a live check sends.
const liveFrames = 300

// checkConcurrency lets all happen at once.
func (s *suite) checkConcurrency() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err != nil {
		return errors.Join(err, l.close())
	}
	var b busy
	var accepted atomic.Uint64
	for _, t := range all {
		if t.conn.CanSend() {
			b.do(liveFrames, func(i int) error {
				if Send(t.conn, s.frame(t.id, 2*i, i%100)) {
					accepted.Add(1)
				}
				accepted.Add(uint64(SendBatch(t.conn, s.frame(t.id, 2*i+1, 10))))
				return nil
			})
		}
	}
	for g := range 3 { // guests come, say something and go
		b.meanwhile(func(i int) error {
			r := &Recorder{}
			c, err := l.Net.Join(r, both)
			if err != nil {
				return err
			}
			id := 100 + g*1000000 + i
			if Send(c, s.frame(id, i, 0)) {
				accepted.Add(1)
			}
			c.Close()
			return CheckOrder(r.Frames(), id)
		})
	}
	overflows := []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender}
	b.meanwhile(func(i int) error {
		return l.Net.Change(func(set *bus.Settings) { set.Queue, set.Overflow = 1+i%50, overflows[i%len(overflows)] })
	})
	b.meanwhile(func(i int) error {
		l.Bus.Tick(time.Unix(1700000000+int64(i), 0))
		return nil
	})
	b.meanwhile(func(int) error {
		for _, v := range valuesOf(l.Net) {
			text := v.get()
			if v.set != nil && !v.table && text != "" {
				if err := v.set(text); err != nil && fail.KindOf(err) != fail.Gone {
					return fmt.Errorf("knob %s refuses what it gave, %q: %w", v.name, text, err)
				}
			}
		}
		return nil
	})
	err = b.wait()
	if _, heardErr := checkHeard(all); heardErr != nil {
		err = errors.Join(err, heardErr)
	}
	if n := l.Net.Stats().Frames; err == nil && n != accepted.Load() {
		err = fmt.Errorf("%d frames were accepted, but the network counted %d", accepted.Load(), n)
	}
	return errors.Join(err, CheckBalance(l.Net.Stats()), l.close())
}

// checkSwitch replaces the policy while frames flow: nobody is disconnected,
// what waits goes on waiting, nothing is lost but by the policy's will, and
// each instance is started, used and stopped in this order.
func (s *suite) checkSwitch() error {
	watch := s.watch(false)
	l, err := newLab(watch.name)
	if err != nil {
		return err
	}
	if err := l.Net.Change(func(set *bus.Settings) { set.Queue = bus.MaxQueue }); err != nil {
		return err
	}
	all, err := s.company(l)
	if err != nil {
		return errors.Join(err, l.close())
	}
	sent := s.talk(all, 0)
	queued := l.Net.Stats().Queued
	if err = l.Net.SetPolicy(hubName); err == nil && l.Net.Stats().Queued != queued {
		err = fmt.Errorf("%d frames waited, %d after the switch", queued, l.Net.Stats().Queued)
	}
	var b busy
	var accepted atomic.Uint64
	for _, t := range all {
		if t.conn.CanSend() {
			b.do(liveFrames, func(i int) error {
				if !Send(t.conn, s.frame(t.id, perTalk+i, 20)) {
					return fmt.Errorf("frame %d of sender %d was not accepted", i, t.id)
				}
				accepted.Add(1)
				return nil
			})
		}
	}
	b.meanwhile(func(i int) error {
		if i%2 == 0 {
			return l.Net.SetPolicy(watch.name)
		}
		return l.Net.SetPolicy(hubName)
	})
	b.meanwhile(func(i int) error {
		l.Bus.Tick(time.Unix(1700000000+int64(i), 0))
		return nil
	})
	err = errors.Join(err, b.wait())
	sent += accepted.Load()
	received, heardErr := checkHeard(all)
	stats := l.Net.Stats()
	switch {
	case err != nil || heardErr != nil:
		err = errors.Join(err, heardErr)
	case stats.Frames != sent:
		err = fmt.Errorf("%d frames were sent, but the network counted %d", sent, stats.Frames)
	case stats.Received != received || stats.Offered != received:
		err = fmt.Errorf("%d of %d copies were received, and the network counted %d: some were lost", received, stats.Offered, stats.Received)
	}
	for _, t := range all {
		if t.conn.Gone() {
			err = errors.Join(err, fmt.Errorf("sender %d was disconnected", t.id))
		}
	}
	err = errors.Join(err, l.close())
	return errors.Join(err, watch.verdict())
}
