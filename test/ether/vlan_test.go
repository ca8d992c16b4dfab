package ether

import (
	"bytes"
	"fmt"
	"testing"

	"ipnfs/test/harness"
)

// tag is a VLAN tag as it stands in a frame (IEEE 802.1Q 9.3).
func tag(tpid, pcp, vlan uint32) uint32 { return tpid<<16 | pcp<<13 | vlan }

const (
	customer = 0x8100
	service  = 0x88a8
)

// doors are the four ways into a network: a tap, a grabbed veth, a veth, a file.
func (l *lab) doors(t *testing.T) (names []string, doors []door) {
	h, outside := newHost(t), newHost(t)
	h.attach(l, lan, "tap", "tap0 up") // port 1
	outside.veth("v0", h)
	h.IP("link set eth0 up")
	outside.attach(l, lan, "grab", "v0") // port 2
	h.attach(l, lan, "veth", "veth0 up") // port 3
	for _, name := range []string{"tap0", "eth0", "veth0"} {
		h.Quiet(name)
	}
	file := l.openPort(lan) // port 4
	return []string{"tap", "grabbed veth", "veth", "file"}, []door{h.wire("tap0"), h.wire("eth0"), h.wire("veth0"), file}
}

// A frame's tags are the same by whatever door it comes and goes: the kernel
// keeps tags beside a frame and not in it, so each door has to put them back.
// Clauses are of IEEE Std 802.1Q-2018.
func TestTagsThroughAllDoors(t *testing.T) {
	t.Parallel()
	l := start(t)
	names, doors := l.doors(t)
	l.set(lan, "switch/vlan=on")
	frames := []struct {
		name   string
		tags   []uint32
		inner  []uint32 // behind the tag that counts
		pcp    uint32
		vlan   uint32 // with customer ports as below
		clause string
	}{
		{"untagged", nil, nil, 0, 10, "6.9.1: the PVID"},
		{"priority", []uint32{tag(customer, 5, 0)}, nil, 5, 10, "6.9.1: the null VID, so the PVID"},
		{"tagged 10", []uint32{tag(customer, 3, 10)}, nil, 3, 10, "6.9.1: the VID"},
		{"tagged 20", []uint32{tag(customer, 7, 20)}, nil, 7, 20, "6.9.1: the VID"},
		{"tagged 30", []uint32{tag(customer, 7, 30)}, nil, 7, 0, "8.6.2: ingress filtering"},
		{"tagged 4095", []uint32{tag(customer, 0, 4095)}, nil, 0, 0, "9.6: VID FFF"},
		{"tagged twice", []uint32{tag(customer, 1, 20), tag(customer, 2, 10)}, []uint32{tag(customer, 2, 10)}, 1, 20, "9.3: the outer one"},
		{"S-TAG", []uint32{tag(service, 1, 20)}, []uint32{tag(service, 1, 20)}, 0, 10, "9.5: a tag of another type is data"},
		{"S-TAG and C-TAG", []uint32{tag(service, 1, 100), tag(customer, 2, 20)}, []uint32{tag(service, 1, 100), tag(customer, 2, 20)}, 0, 10, "9.5"},
	}
	// How the port that gets the frame is set up, and the tag it wants.
	outs := []struct {
		name     string
		settings []string
		tpid     map[uint32]uint32 // by VLAN; 0: no tag; missing: it is not in the VLAN (8.6.4)
	}{
		{"access", []string{"pvid=10", "vlans=none", "tpid=0x8100"}, map[uint32]uint32{10: 0}},
		{"trunk", []string{"pvid=0", "vlans=10,20", "tpid=0x8100"}, map[uint32]uint32{10: customer, 20: customer}},
		{"native", []string{"pvid=10", "vlans=20", "tpid=0x8100"}, map[uint32]uint32{10: 0, 20: customer}},
		{"provider", []string{"pvid=0", "vlans=10,20", "tpid=0x88a8"}, map[uint32]uint32{10: service, 20: service}},
	}
	seq := 0
	for from := range doors {
		for to := range doors {
			if from == to {
				continue
			}
			l.setPort(from+1, "pvid=10", "vlans=10,20", "tpid=0x8100")
			for _, out := range outs {
				l.setPort(to+1, out.settings...)
				for _, f := range frames {
					seq++
					body := fmt.Sprint("frame ", seq)
					doors[from].send(frame(1, body, f.tags...))
					tpid, wanted := out.tpid[f.vlan]
					what := fmt.Sprintf("%s by %s, out of a %s port by %s (%s)", f.name, names[from], out.name, names[to], f.clause)
					if !wanted {
						continue // looked for below
					}
					tags := f.inner
					if tpid != 0 {
						tags = append([]uint32{tag(tpid, f.pcp, f.vlan)}, f.inner...)
					}
					// But for the padding, which a driver may leave off.
					got, want := await(t, what, doors[to], body), frame(1, body, tags...)
					if got, want := bytes.TrimRight(got, "\x00"), bytes.TrimRight(want, "\x00"); !bytes.Equal(got, want) {
						t.Errorf("%s: %x, want %x", what, got, want)
					}
				}
				seq++
				body := fmt.Sprint("frame ", seq) // behind all that was not to come
				l.setPort(to+1, "pvid=10")
				doors[from].send(frame(1, body))
				await(t, "the last frame", doors[to], body)
				for i := seq - len(frames); i < seq; i++ {
					f := frames[i-seq+len(frames)]
					_, wanted := out.tpid[f.vlan]
					if came := len(doors[to].came(fmt.Sprint("frame ", i))) > 0; came && !wanted {
						t.Errorf("%s by %s, out of a %s port by %s: came (%s, 8.6.4)", f.name, names[from], out.name, names[to], f.clause)
					}
				}
			}
		}
	}
	if got := harness.ReadStats(t, l.Path(lan, "stats"))["drop_vlan"]; got == 0 {
		t.Error("nothing was counted as drop_vlan")
	}
}

func (l *lab) setPort(number int, settings ...string) {
	l.t.Helper()
	for _, s := range settings {
		l.set(lan, fmt.Sprintf("ports/%d/%s", number, s))
	}
}

// What an analyser sees is what is on the wire.
func TestCapture(t *testing.T) { overWires(t, testCapture) }

func testCapture(t *testing.T, l *lab) {
	harness.NeedProgram(t, "tcpdump")
	a, b := newHost(t), newHost(t)
	a.join(l, "eth0")
	b.join(l, "eth0")
	l.set(lan, "switch/vlan=on", "ports/1/vlans=10", "ports/2/vlans=10", "ports/2/tpid=0x88a8")
	seen := b.capture("-e", "ether src 02:00:00:00:77:01")
	a.wire("eth0").send(frame(1, "tagged", tag(customer, 5, 10)))
	a.wire("eth0").send(frame(1, "untagged"))
	for _, want := range []string{
		"02:00:00:00:77:01 > ff:ff:ff:ff:ff:ff, ethertype 802.1Q-QinQ (0x88a8), length 60: vlan 10, p 5, ethertype Unknown (0x88b5)",
		"02:00:00:00:77:01 > ff:ff:ff:ff:ff:ff, ethertype Unknown (0x88b5), length 60",
	} {
		seen.await(want)
	}
}

// A mirror port shows an analyser what passes between two others.
func TestMirrorCapture(t *testing.T) { overWires(t, testMirrorCapture) }

func testMirrorCapture(t *testing.T, l *lab) {
	harness.NeedProgram(t, "tcpdump")
	a, b, c := newHost(t), newHost(t), newHost(t)
	for i, h := range []*host{a, b, c} {
		h.join(l, "eth0")
		h.address(i+1, 1500)
	}
	if got := ping("10.0.0.2", "56")(pair{a, b}, 1500); got != "answered" {
		t.Fatalf("ping: %s", got)
	}
	l.set(lan, "ports/3/mirror=1")
	seen := c.capture("-e", "icmp")
	if got := ping("10.0.0.2", "100")(pair{a, b}, 1500); got != "answered" {
		t.Fatalf("ping: %s", got)
	}
	seen.await("10.0.0.1 > 10.0.0.2: ICMP echo request")
	seen.await("10.0.0.2 > 10.0.0.1: ICMP echo reply")
}
