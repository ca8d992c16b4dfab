package snoop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The model is a LAN: hosts and queriers as RFC 2236 and 9776 have them,
// behind ports whose links come and go, and a table between. Nothing is lost
// on its way but where a link is down. Then no host that has joined a group may
// ever be cut off from it.

const step = 100 * time.Millisecond

type modelHost struct {
	port   int
	v3     bool
	groups []string
	answer map[string]time.Time // when a report of the group is due
}

type modelQuerier struct {
	port               int
	address            string
	v3                 bool
	interval, response time.Duration
	next               time.Time
	specific           []string // groups that were left, to be asked for
}

type model struct {
	*testSwitch
	rand     *rand.Rand
	down     map[int]bool
	hosts    []*modelHost
	queriers []*modelQuerier // those that ask; each goes on for itself
	pruned   int             // steps in which there was pruning
	log      []string
}

var modelGroups = []string{"239.1.1.1", "239.1.1.2", "238.129.1.1"}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{testSwitch: newSwitch(t, 100), rand: rand.New(rand.NewPCG(seed, 0)), down: map[int]bool{}}
	for range 6 {
		m.hosts = append(m.hosts, &modelHost{port: m.port(), v3: m.rand.IntN(2) == 0, answer: map[string]time.Time{}})
	}
	return m
}

func (m *model) port() int { return 1 + m.rand.IntN(5) }

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%v ", m.now.Sub(time.Unix(1e9, 0)))+fmt.Sprintf(format, args...))
}

// send brings a frame in by a port and tells who hears it besides those who
// are behind that port themselves.
func (m *model) send(port int, frame []byte) (heard func(port int) bool) {
	if m.down[port] {
		return func(p int) bool { return p == port }
	}
	v := m.tab.Snoop(1, port, frame, m.now)
	return func(p int) bool {
		return p == port || !m.down[p] && (v.Action == Flood || v.Action == Forward && slices.Contains(v.Ports, p))
	}
}

// ask lets a querier ask for all groups, or for one.
func (m *model) ask(q *modelQuerier, group string, response time.Duration) {
	tenths := byte(response / (100 * time.Millisecond))
	f := query2(q.address, group, tenths)
	if q.v3 {
		f = query3(q.address, group, tenths, 2, byte(min(q.interval/time.Second, 127)))
	}
	heard := m.send(q.port, f)
	for _, h := range m.hosts {
		for _, g := range h.groups {
			if heard(h.port) && (group == "0.0.0.0" || group == g) {
				due := m.now.Add(time.Duration(m.rand.Int64N(int64(response) + 1))) // and 0 to 0.9 s on its way
				due = due.Add(time.Duration(m.rand.IntN(10)) * step)
				if before, ok := h.answer[g]; !ok || due.Before(before) {
					h.answer[g] = due
				}
			}
		}
	}
}

func (m *model) report(h *modelHost, group string) {
	delete(h.answer, group)
	if h.v3 {
		m.send(h.port, report3(rec(isExclude, group)))
		return
	}
	heard := m.send(h.port, report2(group))
	for _, other := range m.hosts {
		if other != h && !other.v3 && heard(other.port) { // RFC 2236, 3: it keeps its own to itself
			delete(other.answer, group)
		}
	}
}

// event does something that moves hosts, or makes the table forget.
func (m *model) event() {
	h := m.hosts[m.rand.IntN(len(m.hosts))]
	switch m.rand.IntN(10) {
	case 0, 1:
		p := m.port()
		m.note("link of %d down=%v", p, !m.down[p])
		m.down[p] = !m.down[p]
		m.tab.Renew(p, func(uint16) bool { return true })
	case 2:
		p := m.port()
		m.note("VLANs of %d", p)
		m.tab.Renew(p, func(vlan uint16) bool { return vlan == 1 })
	case 3:
		m.note("flush")
		m.tab.Flush()
	case 4, 5: // its next frame tells, as long as the link is up
		p := m.port()
		if m.down[p] || m.down[h.port] {
			return
		}
		m.note("host from %d to %d", h.port, p)
		h.port = p
		m.tab.Open(1)
	case 6, 7:
		q := &modelQuerier{
			port: m.port(), address: fmt.Sprintf("10.0.0.%d", 1+m.rand.IntN(4)), v3: m.rand.IntN(2) == 0,
			interval: time.Duration(5+m.rand.IntN(600)) * time.Second,
			response: time.Duration(5+m.rand.IntN(240)) * 100 * time.Millisecond, next: m.now,
		}
		m.note("querier %+v", *q)
		if m.rand.IntN(2) == 0 || len(m.queriers) > 2 {
			m.queriers = nil
		}
		m.queriers = append(m.queriers, q)
	case 8:
		g := modelGroups[m.rand.IntN(len(modelGroups))]
		if !slices.Contains(h.groups, g) && !m.down[h.port] {
			m.note("host at %d joins %s", h.port, g)
			h.groups = append(h.groups, g)
			m.report(h, g)
		}
	case 9:
		if len(h.groups) > 0 {
			g := h.groups[0]
			m.note("host at %d leaves %s", h.port, g)
			h.groups = slices.Delete(h.groups, 0, 1)
			delete(h.answer, g)
			f := leave2(g)
			if h.v3 {
				f = report3(rec(toInclude, g))
			}
			heard := m.send(h.port, f)
			for _, q := range m.queriers {
				if heard(q.port) {
					q.specific = append(q.specific, g, g) // Last Member Query Count
				}
			}
		}
	}
}

// run lets time pass, with events now and then.
func (m *model) run(seconds int, events bool) {
	for range seconds * int(time.Second/step) {
		m.now = m.now.Add(step)
		second := m.now.Nanosecond() == 0
		if second {
			m.tab.Tick(m.now)
		}
		if events && m.rand.IntN(300) == 0 {
			m.event()
		}
		for _, q := range m.queriers {
			if !m.now.Before(q.next) {
				q.next = m.now.Add(q.interval)
				m.ask(q, "0.0.0.0", q.response)
			}
			if second && len(q.specific) > 0 {
				m.ask(q, q.specific[0], time.Second)
				q.specific = q.specific[1:]
			}
		}
		for _, h := range m.hosts {
			for _, g := range h.groups {
				if due, ok := h.answer[g]; ok && !m.now.Before(due) {
					m.report(h, g)
				}
			}
		}
		m.check()
		if m.to(1, "239.9.9.9") != "flood" {
			m.pruned++
		}
	}
}

// check fails the test if a host is cut off.
func (m *model) check() {
	for _, h := range m.hosts {
		for _, g := range h.groups {
			to := m.to(1, g)
			if m.down[h.port] || to == "flood" || slices.Contains(strings.Fields(to), fmt.Sprint(h.port)) {
				continue
			}
			for _, line := range m.log {
				m.t.Log(line)
			}
			m.t.Fatalf("%v: %s goes to %s, and a host at %d (IGMPv3: %v) wants it\n%s",
				m.now.Sub(time.Unix(1e9, 0)), g, to, h.port, h.v3, m.tab.Text())
		}
	}
}

// Whatever happens to links, ports, hosts and queriers, nobody who did not
// leave is cut off; and when all is quiet again, there is pruning.
func TestNobodyIsCutOff(t *testing.T) {
	pruned := 0
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newModel(t, seed)
			m.run(3000, true)
			check(t, m.tab)
			pruned += m.pruned

			clear(m.down)
			for p := 1; p <= 5; p++ {
				m.tab.Renew(p, func(uint16) bool { return true })
			}
			m.queriers = []*modelQuerier{{port: 1, address: "10.0.0.1", v3: true, interval: 100 * time.Second, response: 10 * time.Second, next: m.now}}
			m.run(300, false)
			if m.to(1, "239.9.9.9") == "flood" {
				t.Errorf("nothing is pruned after 300 quiet seconds\n%s", m.tab.Text())
			}
		})
	}
	if all := 60 * 3000 * int(time.Second/step); pruned < all/20 {
		t.Errorf("only %d of %d steps had pruning: the model looks at little", pruned, all)
	}
}
