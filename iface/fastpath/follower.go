package fastpath

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/policy"
)

// followers are those of the process, by network.
var followers = struct {
	mu sync.Mutex
	// +checklocks:mu
	of map[*bus.Network]*follower
}{of: map[*bus.Network]*follower{}}

// follower follows the policies of a network for all its Ports.
type follower struct {
	net   *bus.Network
	table table
	id    atomic.Uint32 // of the network in the plane
	wakes chan struct{}
	ended chan struct{}           // closed at the end of the goroutine
	ports atomic.Pointer[[]*Port] // by number, the later one last; changed under followers.mu

	// The goroutine's own.
	life  uint64 // of the policy that was asked for a feed
	asked bool   // some policy was

	mu sync.Mutex
	// +checklocks:mu
	feed policy.Feed // nil: none
	// +checklocks:mu
	none string // why there is no feed
	// +checklocks:mu
	stations map[address]station
	// +checklocks:mu
	dirty []address // of which the plane knows something else
	// +checklocks:mu
	all bool // everything is to be looked at
	// +checklocks:mu
	short bool // some found no room
	// +checklocks:mu
	whole bool // the whole table was looked through
}

var _ policy.Follower = (*follower)(nil)

// retryAfter is when is looked again for room that was not there.
var retryAfter = 10 * time.Second

// rest is for how many times as long the follower rests as it took to look through the
// whole table, and maxRest how long at most: who makes a port or the table change all the
// time, such as by a link that goes up and down, gets a fifth of a processor by that.
// Meanwhile it looks at single addresses: those of others that move do not wait for him.
const (
	rest    = 4
	maxRest = time.Second
)

// join adds a port that is about to join a network, whose lock is held.
func join(n *bus.Network, p *Port) *follower {
	followers.mu.Lock()
	defer followers.mu.Unlock()
	f := followers.of[n]
	if f == nil {
		f = &follower{
			net: n, table: p.table, wakes: make(chan struct{}, 1), ended: make(chan struct{}),
			stations: map[address]station{}, none: pending,
		}
		f.ports.Store(&[]*Port{p})
		followers.of[n] = f
		go f.run()
		return f
	}
	list := *f.ports.Load()
	i, _ := slices.BinarySearchFunc(list, p.number+1, byNumber)
	list = slices.Insert(slices.Clone(list), i, p)
	f.ports.Store(&list)
	return f
}

func byNumber(p *Port, number int) int { return cmp.Compare(p.number, number) }

// at returns the ports of a number, 0: all. Of two the first is just leaving.
func (f *follower) at(number int) []*Port {
	list := *f.ports.Load()
	if number == 0 {
		return list
	}
	i, _ := slices.BinarySearchFunc(list, number, byNumber)
	j := i
	for j < len(list) && list[j].number == number {
		j++
	}
	return list[i:j]
}

// leave takes a port out, for which nothing is put into the plane any more.
func (f *follower) leave(p *Port) {
	f.mu.Lock()
	p.gate.Revoke() // what was set by a look that was under way
	f.forgetPort(p)
	f.mu.Unlock()
	followers.mu.Lock()
	list := slices.DeleteFunc(slices.Clone(*f.ports.Load()), func(other *Port) bool { return other == p })
	f.ports.Store(&list)
	followers.mu.Unlock()
	f.Wake()
}

// Wake is policy.Follower's.
func (f *follower) Wake() {
	select {
	case f.wakes <- struct{}{}:
	default:
	}
}

// Revoke is policy.Follower's. It knows no VLANs.
func (f *follower) Revoke(port int, _ uint16) {
	for _, p := range f.at(port) {
		p.gate.Revoke()
	}
}

// Used is policy.Follower's.
func (f *follower) Used(vlan uint16, mac [6]byte, port int) (when time.Time, ok bool) {
	if len(f.at(port)) == 0 {
		return when, false
	}
	n := f.table.Used(f.key(address{vlan, mac}))
	if n == 0 {
		return when, false
	}
	return boot.Add(time.Duration(n)), true
}

// boot is where CLOCK_MONOTONIC begins, which is Go's clock for intervals, too.
var boot = func() time.Time {
	var now unix.Timespec
	t := time.Now()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err) // every kernel has it
	}
	return t.Add(-time.Duration(now.Nano()))
}()

// run is the goroutine.
func (f *follower) run() {
	defer close(f.ended)
	f.id.Store(f.table.NewNetwork())
	var retry <-chan time.Time
	var rested time.Time
	for !f.retire() {
		f.follow()
		f.mu.Lock()
		start := time.Now()
		f.whole = false
		more, later, short := f.step(!start.Before(rested))
		if f.whole {
			now := time.Now()
			rested = now.Add(min(rest*now.Sub(start), maxRest))
		}
		f.mu.Unlock()
		if more {
			continue
		}
		if short && retry == nil {
			retry = time.After(retryAfter)
		}
		var goOn <-chan time.Time
		if later {
			goOn = time.After(time.Until(rested))
		}
		select {
		case <-f.wakes:
		case <-goOn:
		case <-retry:
			retry, f.asked = nil, false
			f.mu.Lock()
			f.all = true
			f.mu.Unlock()
		}
	}
}

// retire ends f if it has no ports, and so nothing in the plane.
func (f *follower) retire() bool {
	if len(*f.ports.Load()) > 0 {
		return false
	}
	followers.mu.Lock()
	defer followers.mu.Unlock()
	if len(*f.ports.Load()) > 0 {
		return false
	}
	delete(followers.of, f.net)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.feed != nil {
		f.feed.Close()
	}
	f.table.FreeNetwork(f.id.Load())
	return true
}

// follow asks the policy for its feed, if it is another than it was.
func (f *follower) follow() {
	f.mu.Lock()
	following := f.feed != nil && !f.feed.Ended()
	f.mu.Unlock()
	if following || f.asked && f.life == f.net.PolicyLife() {
		return
	}
	f.asked, f.life = true, f.net.PolicyLife()
	var feed policy.Feed
	var none string
	err := f.net.UsePolicy(func(p policy.Policy) (err error) {
		f.life = f.net.PolicyLife()
		feeder, ok := p.(policy.Feeder)
		if !ok {
			none = fmt.Sprintf("policy %s forwards by no table", p.Name())
			return nil
		}
		feed, err = feeder.Follow(f)
		return err
	})
	if err != nil {
		none = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feed, f.none, f.all = feed, none, true
	f.short = err != nil // try again later
}
