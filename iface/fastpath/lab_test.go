package fastpath

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
)

type mac = [6]byte

func macOf(n int) mac { return mac{2, 0, 0, 0, byte(n >> 8), byte(n)} }

var toAll = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// makeFrame makes a frame with tags, each TPID<<16 | TCI.
func makeFrame(dst, src mac, tags ...uint32) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	for _, t := range tags {
		f = binary.BigEndian.AppendUint32(f, t)
	}
	return append(binary.BigEndian.AppendUint16(f, 0x88b5), make([]byte, 46)...)
}

// lab is a network with ports of a plane.
type lab struct {
	*bustest.Lab
	tb    testing.TB
	plane *fakePlane
	hosts []*host
	now   time.Time
	taken int // bytes of memory
}

// host is what is behind a port: a silent endpoint with a Port.
type host struct {
	bustest.Recorder
	*Port
	gate *fakePort
	conn *bus.Conn
}

var (
	_ bus.Bypasser = (*host)(nil)
	_ bus.Resizer  = (*host)(nil)
)

func (h *host) Attach(c *bus.Conn)                  { h.Recorder.Attach(c); h.Port.Attach(c) }
func (h *host) Emit(*frame.Batch, int, int, uint64) {}
func (h *host) leave()                              { h.Port.Leave(); h.conn.Close() }
func (h *host) number() int                         { return h.conn.Port().Number() }
func (h *host) send(dst, src mac, tags ...uint32) bool {
	return bustest.Send(h.conn, makeFrame(dst, src, tags...))
}

func newLab(tb testing.TB, spec string, hosts int) *lab {
	tb.Helper()
	p := newPlane()
	tb.Cleanup(func() { p.check(tb) })
	l := &lab{tb: tb, plane: p, now: time.Now()}
	l.Lab = bustest.NewLab(tb, spec)
	for range hosts {
		l.join(bus.JoinOptions{})
	}
	tb.Cleanup(func() {
		f := l.follower()
		for _, h := range l.hosts {
			h.leave()
		}
		if f != nil {
			<-f.ended
		}
	})
	return l
}

// join adds a host.
func (l *lab) join(o bus.JoinOptions) *host {
	l.tb.Helper()
	g := l.plane.port()
	h := &host{Port: newPort(l.plane, g), gate: g}
	o.Recv, o.Send, o.Info.Kind = true, true, "veth"
	c, err := l.Net.Join(h, o)
	if err != nil {
		l.tb.Fatal(err)
	}
	h.conn = c
	l.hosts = append(l.hosts, h)
	return h
}

func (l *lab) follower() *follower {
	followers.mu.Lock()
	defer followers.mu.Unlock()
	return followers.of[l.Net]
}

// at is the host that joined as the n-th, from 1.
func (l *lab) at(n int) *host { return l.hosts[n-1] }

// freeze keeps the follower from catching up until it is undone.
func (l *lab) freeze() (undo func()) {
	f := l.follower()
	f.mu.Lock()
	return f.mu.Unlock
}

// follows tells whether the follower has the feed of the policy in force.
func (l *lab) follows() bool {
	f := l.follower()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.feed != nil && !f.feed.Ended()
}

// catch lets a frozen follower catch up.
func (l *lab) catch() {
	f := l.follower()
	for {
		if more, _, _ := f.step(true); !more {
			return
		}
	}
}

// settle waits until the follower has caught up and all ports are as paths say, in order.
func (l *lab) settle(paths ...string) {
	l.tb.Helper()
	for i, h := range l.hosts {
		want := ""
		if i < len(paths) {
			want = paths[i]
		}
		bustest.WaitFor(l.tb, fmt.Sprintf("port %d with path %q, not %q", i+1, want, h.Path()), func() bool { return h.Path() == want })
	}
	defer l.freeze()()
	l.catch()
}

// set writes tables or knobs, NAME=TEXT; a port's has its number in front: 3/pvid=1.
func (l *lab) set(settings ...string) {
	l.tb.Helper()
	for _, s := range settings {
		if err := l.try(s); err != nil {
			l.tb.Fatalf("%s: %v", s, err)
		}
	}
}

func (l *lab) try(setting string) error {
	name, text, _ := strings.Cut(setting, "=")
	return l.Net.UsePolicy(func(p policy.Policy) error {
		var number int
		if n, _ := fmt.Sscanf(name, "%d/", &number); n == 1 {
			for _, k := range p.(policy.PortKnobber).PortKnobs() {
				if strings.HasSuffix(name, "/"+k.Name) {
					for _, h := range l.hosts {
						if h.number() == number {
							return k.Set(h.conn.Port(), text)
						}
					}
				}
			}
		}
		for _, k := range p.(policy.Knobber).Knobs() {
			if k.Name == name {
				return k.Set(text)
			}
		}
		for _, t := range p.(policy.Tabler).Tables() {
			if t.Name == name {
				return t.Write(text)
			}
		}
		return fmt.Errorf("there is no %s", name)
	})
}

// tick lets seconds pass.
func (l *lab) tick(seconds int) {
	for range seconds {
		l.now = l.now.Add(time.Second)
		l.Bus.Tick(l.now)
	}
}

// fast tells whether the plane forwards from one host to another, untagged.
func (l *lab) fast(from, to int) bool {
	out, _ := l.at(from).gate.decide(makeFrame(macOf(to), macOf(from)))
	return out != nil && out == l.at(to).gate
}

// speak lets all hosts be heard.
func (l *lab) speak() {
	for i, h := range l.hosts {
		h.send(toAll, macOf(i+1))
	}
}
