package l2switch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/words"
)

// modelPort is how a port of the model is set up.
type modelPort struct {
	pvid     int
	tagged   map[int]bool
	tpid     uint16
	isolated bool
}

func (p *modelPort) member(vlan int) bool { return vlan != 0 && (p.pvid == vlan || p.tagged[vlan]) }

// modelKey is an address in a VLAN.
type modelKey struct {
	mac  mac
	vlan int
}

// model is a switch with VLANs that is slow and plain.
type model struct {
	ports []modelPort // by number-1
	fdb   map[modelKey]int
}

// classify finds the VLAN of a frame, what its tag says of the priority, and
// what stands behind the tag; 0: it is dropped.
func (m *model) classify(in int, f []byte) (vlan, prio int, rest []byte) {
	p := &m.ports[in-1]
	if binary.BigEndian.Uint16(f[12:]) != p.tpid {
		return p.pvid, 0, f[12:]
	}
	if len(f) < 18 {
		return 0, 0, nil
	}
	tci := int(binary.BigEndian.Uint16(f[14:]))
	vlan, prio, rest = tci%4096, tci/4096*4096, f[16:]
	switch {
	case vlan == 0:
		vlan = p.pvid
	case vlan == 4095 || !p.member(vlan):
		vlan = 0
	}
	return vlan, prio, rest
}

// send says what each port gets of a frame, by number.
func (m *model) send(in int, f []byte) map[int][]byte {
	vlan, prio, rest := m.classify(in, f)
	if vlan == 0 {
		return nil
	}
	m.fdb[modelKey{mac(f[6:]), vlan}] = in
	only, known := m.fdb[modelKey{mac(f), vlan}]
	known = known && f[0]&1 == 0
	out := map[int][]byte{}
	for i := range m.ports {
		p, number := &m.ports[i], i+1
		if number == in || known && number != only || !p.member(vlan) || p.isolated && m.ports[in-1].isolated {
			continue
		}
		g := bytes.Clone(f[:12])
		if p.tagged[vlan] {
			g = binary.BigEndian.AppendUint16(g, p.tpid)
			g = binary.BigEndian.AppendUint16(g, uint16(prio+vlan))
		}
		out[number] = append(g, rest...)
	}
	return out
}

// forget is what follows a change of a port's VLANs.
func (m *model) forget(number int) {
	maps.DeleteFunc(m.fdb, func(_ modelKey, at int) bool { return at == number })
}

// vlansOfModel are those that the ports of the model are in, and one more.
var vlansOfModel = []int{1, 2, 3, 7, 4094}

// setRandom changes something of a random port, in the model and the switch.
func (m *model) setRandom(r *rand.Rand, l *lab) {
	number := 1 + r.IntN(len(m.ports))
	p := &m.ports[number-1]
	before := fmt.Sprint(*p)
	var setting string
	switch r.IntN(4) {
	case 0:
		p.pvid = 0
		if r.IntN(4) > 0 {
			p.pvid = vlansOfModel[r.IntN(3)]
		}
		setting = fmt.Sprint("pvid=", p.pvid)
	case 1:
		p.tagged = map[int]bool{}
		setting = "vlans=none"
		if r.IntN(5) == 0 {
			setting = "vlans=all"
			for v := 1; v <= 4094; v++ {
				p.tagged[v] = true
			}
		} else if n := r.IntN(4); n > 0 {
			for _, i := range r.Perm(len(vlansOfModel))[:n] {
				p.tagged[vlansOfModel[i]] = true
			}
			setting = "vlans=" + strings.Trim(strings.ReplaceAll(fmt.Sprint(slices.Collect(maps.Keys(p.tagged))), " ", ","), "[]")
		}
	case 2:
		p.tpid = []uint16{0x8100, 0x88a8}[r.IntN(2)]
		setting = fmt.Sprintf("tpid=%#x", p.tpid)
	case 3:
		p.isolated = r.IntN(2) == 0
		setting = "isolated=" + words.FormatOnOff(p.isolated)
		before = ""
	}
	l.set(fmt.Sprintf("%d/%s", number, setting))
	if before != "" && before != fmt.Sprint(*p) {
		m.forget(number)
	}
}

// randomFrame makes a frame between few stations, with tags of every kind.
func randomFrame(r *rand.Rand, seq int) []byte {
	dst := []mac{toAll, toGroup, macOf(1 + r.IntN(6)), macOf(1 + r.IntN(6))}[r.IntN(4)]
	var tags []uint32
	for range []int{0, 1, 1, 1, 2, 2, 3}[r.IntN(7)] {
		vlan := []int{0, 5, 4095, vlansOfModel[r.IntN(5)], vlansOfModel[r.IntN(5)], vlansOfModel[r.IntN(5)]}[r.IntN(6)]
		prio := r.IntN(16) * dei
		tags = append(tags, []uint32{ctag(vlan, prio), ctag(vlan, prio), stag(vlan, prio)}[r.IntN(3)])
	}
	f := makeFrame(dst, macOf(1+r.IntN(6)), fmt.Sprint("frame ", seq), tags...)
	if r.IntN(20) == 0 {
		f = f[:14+r.IntN(6)]
	}
	return f
}

// A frame leaves at the ports of its VLAN and no others, with the tag that
// belongs there, whatever the ports are set to and whatever was learned.
func TestVLANIsolation(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := &model{fdb: map[modelKey]int{}}
		l := newLab(t, Name+" vlan=on", 2+r.IntN(6))
		for range l.stations {
			m.ports = append(m.ports, modelPort{pvid: 1, tagged: map[int]bool{}, tpid: 0x8100})
		}
		for range 10 {
			m.setRandom(r, l)
		}
		for seq := range 300 {
			if r.IntN(20) == 0 {
				m.setRandom(r, l)
			}
			in := l.at(1 + r.IntN(len(l.stations)))
			f := randomFrame(r, seq)
			before := in.dropped(frame.DropVLAN)
			vlan, _, _ := m.classify(in.number(), f)
			want := m.send(in.number(), f)
			in.send(f)
			for _, s := range l.stations {
				got, wanted := s.heard(), want[s.number()]
				if n := len(got); n > 1 || (n == 1) != (wanted != nil) || n == 1 && !bytes.Equal(got[0], wanted) {
					t.Fatalf("seed %d: frame %d into port %d is %x: out of port %d came %x, want %x; ports are %+v",
						seed, seq, in.number(), f, s.number(), got, wanted, m.ports)
				}
			}
			if vlan == 0 && in.dropped(frame.DropVLAN) != before+1 {
				t.Fatalf("seed %d: frame %d into port %d is %x: it is in no VLAN, and not counted", seed, seq, in.number(), f)
			}
		}
	}
}
