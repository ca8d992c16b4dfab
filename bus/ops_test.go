package bus_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// FuzzOps does what a sequence of bytes says, one thing after the other, and
// looks after each step whether all is as it must be.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 2, 1, 2, 9, 3, 0})
	f.Add([]byte("\x00\x05\x00\x05\x08\x02\x02\x01\x03\x02\x05\x01\x07\x02\x04\x01\x06\x09\x0a\x0b\x0c"))
	f.Add(slices.Repeat([]byte{0, 7, 1, 3, 2, 200, 4, 1, 5, 50}, 20))
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		m := &machine{Lab: bustest.NewLab(t, directed), t: t, script: script[:min(len(script), 400)]}
		for len(m.script) > 0 {
			op := ops[m.next(len(ops))]
			op(m)
			m.check()
		}
		m.end()
	})
}

// machine is a network and what is known of it.
type machine struct {
	*bustest.Lab
	t      *testing.T
	script []byte
	joined []*member
	waits  []*parked
	last   int // the number of the last frame
	steps  int
	frames uint64 // accepted in all
}

// member is one who joined.
type member struct {
	conn  *bus.Conn
	id    int
	sink  *bustest.Sink
	heard [][]byte
	gone  int
}

// next reads one number below n from the script.
func (m *machine) next(n int) int {
	if len(m.script) == 0 {
		return 0
	}
	b := m.script[0]
	m.script = m.script[1:]
	return int(b) % n
}

// pick picks a member, or nil.
func (m *machine) pick() *member {
	if len(m.joined) == 0 {
		return nil
	}
	return m.joined[m.next(len(m.joined))]
}

// frame makes the next frame of a member, to a port from 0 to 9 or to all.
func (m *machine) frame(from *member) []byte {
	m.last++
	to := byte(m.next(11))
	if to == 10 {
		to = 255
	}
	return bustest.Mark([]byte{to}, from.id, m.last, m.next(40)*40)
}

var ops = []func(m *machine){
	func(m *machine) { // join
		if len(m.joined) >= 12 {
			return
		}
		rights := 1 + m.next(3)
		e := &member{sink: &bustest.Sink{}, id: m.last + 1}
		m.last++
		o := bus.JoinOptions{Recv: rights&1 != 0, Send: rights&2 != 0, Number: max(0, m.next(12)-6), MaxLen: m.next(3) * 500}
		o.Info.UID = uint32(m.next(2))
		c, err := m.Net.Join(e.sink, o)
		switch fail.KindOf(err) {
		case fail.Busy, fail.Unknown, fail.NoPort:
		case 0:
			if o.Number != 0 && c.Port().Number() != o.Number {
				m.t.Errorf("joined at port %d, wanted %d", c.Port().Number(), o.Number)
			}
			e.conn = c
			m.joined = append(m.joined, e)
		default:
			m.t.Errorf("join: %v", err)
		}
	},
	func(m *machine) { // leave
		e := m.pick()
		if e == nil {
			return
		}
		e.conn.Close()
		m.joined = slices.DeleteFunc(m.joined, func(other *member) bool { return other == e })
		if e.sink.Queued() != 0 {
			m.t.Error("who has left has frames waiting")
		}
	},
	func(m *machine) { // send one
		if e := m.pick(); e != nil && e.conn.CanSend() && bustest.Send(e.conn, m.frame(e)) {
			m.frames++
		}
	},
	func(m *machine) { // send several
		if e := m.pick(); e != nil && e.conn.CanSend() {
			var batch [][]byte
			for range m.next(30) {
				batch = append(batch, m.frame(e))
			}
			m.frames += uint64(bustest.SendBatch(e.conn, batch...))
		}
	},
	func(m *machine) { // send, and wait if it must
		e := m.pick()
		if e == nil || !e.conn.CanSend() || e.conn.Gone() || slices.ContainsFunc(m.waits, func(p *parked) bool { return p.Conn == e.conn }) {
			return
		}
		m.waits = append(m.waits, park(e.conn, m.frame(e), m.frame(e), m.frame(e)))
	},
	func(m *machine) { // do not wait any more
		if len(m.waits) > 0 {
			m.waits[m.next(len(m.waits))].Cancel()
		}
	},
	func(m *machine) { // receive
		if e := m.pick(); e != nil {
			for range m.next(50) {
				if f := e.sink.Take(); f != nil {
					e.heard = append(e.heard, f)
				}
			}
		}
	},
	func(m *machine) { // settings of the network
		err := m.Net.Change(func(s *bus.Settings) {
			s.Queue, s.Overflow, s.MaxPorts = m.next(20), bus.Overflow(m.next(4)), m.next(15)
		})
		if k := fail.KindOf(err); err != nil && k != fail.Range && k != fail.InUse {
			m.t.Errorf("change: %v", err)
		}
	},
	func(m *machine) { // settings of a port
		if p := m.Net.Port(m.next(10)); p != nil {
			_ = p.SetQueue(m.next(10))
			if o := bus.Overflow(m.next(5)); o <= bus.Disconnect {
				_ = p.SetOverflow(&o)
			} else {
				_ = p.SetOverflow(nil)
			}
		}
	},
	func(m *machine) { _, _ = m.Net.Reserve(m.next(15)) },
	func(m *machine) { _ = m.Net.RemovePort(m.next(12)) },
	func(m *machine) {
		_ = m.Net.SetPolicy([]string{directed, hub, directed + " limit=3", "nothing"}[m.next(4)])
	},
	func(m *machine) { m.Bus.Tick(epoch) },
}

// check looks whether all is as it must be, whatever was done.
func (m *machine) check() {
	m.steps++
	stats := m.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil {
		m.t.Fatalf("step %d: %v", m.steps, err)
	}
	numbers := m.Net.Ports()
	used := len(numbers) // and each connection that shares one
	for _, number := range numbers {
		used += max(0, len(m.Net.Port(number).Info().Conns)-1)
	}
	if !slices.IsSorted(numbers) || used != m.Bus.PortsUsed() {
		m.t.Fatalf("step %d: ports are %v with %d connections, %d are used", m.steps, numbers, used, m.Bus.PortsUsed())
	}
	if n := len(numbers); n > 0 && numbers[n-1] > m.Net.Settings().MaxPorts {
		m.t.Fatalf("step %d: port %d is over maxports", m.steps, numbers[n-1])
	}
	connected, queued := 0, uint64(0)
	for _, number := range numbers {
		p := m.Net.Port(number)
		info := p.Info()
		if len(info.Conns) > 0 {
			connected++
		} else if !info.Reserved {
			m.t.Fatalf("step %d: port %d has neither connection nor reservation", m.steps, number)
		}
	}
	for _, e := range m.joined {
		n := e.sink.Queued()
		queued += uint64(n)
		if n > 0 && !e.conn.CanReceive() {
			m.t.Fatalf("step %d: frames wait for who may not receive", m.steps)
		}
		if calls := e.sink.GoneCalls(); calls > 1 || (calls == 1) != e.conn.Gone() {
			m.t.Fatalf("step %d: gone %v, but told %d times", m.steps, e.conn.Gone(), calls)
		}
		if err := bustest.CheckOrder(e.heard, e.id); err != nil {
			m.t.Fatalf("step %d: %v", m.steps, err)
		}
	}
	if stats.Ports != connected || stats.Queued != queued {
		m.t.Fatalf("step %d: %d ports and %d queued frames are counted, there are %d and %d", m.steps, stats.Ports, stats.Queued, connected, queued)
	}
	if used := m.Bus.Memory.Used(); used < 0 || used == 0 && queued > 0 {
		m.t.Fatalf("step %d: %d bytes are used for %d frames", m.steps, used, queued)
	}
	for _, p := range m.waits {
		if calls := p.calls.Load(); calls > 1 || calls == 0 && p.Conn.Gone() && len(p.Batch.Frames) > 0 {
			m.t.Fatalf("step %d: a send that waits was resumed %d times, its sender is gone: %v", m.steps, calls, p.Conn.Gone())
		}
	}
}

// end lets everybody leave: then nothing is left, and all is accounted for.
func (m *machine) end() {
	for _, e := range m.joined {
		e.conn.Close()
	}
	for _, p := range m.waits {
		p.Cancel()
	}
	for _, number := range m.Net.Ports() {
		wantKind(m.t, fmt.Sprintf("remove port %d", number), m.Net.RemovePort(number), 0)
	}
	stats := m.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || stats.Queued != 0 || stats.Frames < m.frames {
		m.t.Errorf("at the end %+v, %d frames were sent: %v", stats, m.frames, err)
	}
	if used := m.Bus.Memory.Used(); used != 0 {
		m.t.Errorf("at the end %d bytes are used", used)
	}
	wantKind(m.t, "remove", m.Bus.Remove("lab"), 0)
}
