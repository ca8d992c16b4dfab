package ether

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"ipnfs/test/harness"
)

// fabrics are ways to join two hosts.
var fabrics = []struct {
	name string
	join func(t *testing.T, p pair)
}{
	{"kernel", joinByKernel},
	{"taps", joinBy("tap", "tap")},
	{"veths", joinBy("veth", "veth")},
	{"veth and tap", joinBy("veth", "tap")},
	{"grabbed", joinByGrabs},
	{"tap and grabbed", joinByBoth("tap")},
	{"veth and grabbed", joinByBoth("veth")},
	{"taps and files", joinByFiles},
}

// joinByKernel is the oracle: a bridge of the kernel between veth pairs.
func joinByKernel(t *testing.T, p pair) {
	bridge := newHost(t)
	bridge.IP("link add br0 type bridge stp_state 0")
	bridge.IP("link set br0 up")
	for i, h := range []*host{p.a, p.b} {
		bridge.veth(fmt.Sprint("v", i), h)
		bridge.IP(fmt.Sprintf("link set v%d master br0", i))
	}
}

// veth makes a pair of interfaces: name here, up and with the largest mtu that
// hosts use, and eth0 at a host.
func (h *host) veth(name string, other *host) {
	h.t.Helper()
	h.IP(fmt.Sprintf("link add %s mtu 9000 type veth peer name eth0 netns %s", name, other.Name))
	h.IP("link set " + name + " up")
}

// joinBy has a network that the two join by these files.
func joinBy(a, b string) func(*testing.T, pair) {
	return func(t *testing.T, p pair) {
		l := start(t)
		p.a.attach(l, lan, a, "eth0")
		p.b.attach(l, lan, b, "eth0")
	}
}

// grabbed gives a host a veth whose other end the network grabs.
func (l *lab) grabbed(h *host) {
	l.t.Helper()
	outside := newHost(l.t)
	outside.veth("v0", h)
	outside.attach(l, lan, "grab", "v0")
}

func joinByGrabs(t *testing.T, p pair) {
	l := start(t)
	l.grabbed(p.a)
	l.grabbed(p.b)
}

func joinByBoth(by string) func(*testing.T, pair) {
	return func(t *testing.T, p pair) {
		l := start(t)
		p.a.attach(l, lan, by, "eth0")
		l.grabbed(p.b)
	}
}

// joinByFiles has two networks and a program between them, which copies from
// the one's port to the other's. A file takes no super-frames: what the taps
// bring must be complete there, and no longer than their mtu.
func joinByFiles(t *testing.T, p pair) {
	l := start(t)
	l.network("wan")
	p.a.attach(l, lan, "tap", "eth0")
	p.b.attach(l, "wan", "tap", "eth0")
	ends := [2]*os.File{l.open(lan), l.open("wan")}
	var work sync.WaitGroup
	for i := range ends {
		work.Go(func() {
			buf := make([]byte, 1<<17)
			for {
				n, err := ends[i].Read(buf)
				if err != nil {
					return
				}
				if n > 14+9000 {
					t.Errorf("a frame of %d bytes came out of a file", n)
				}
				if _, err := ends[1-i].Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		for _, f := range ends {
			f.Close()
		}
		work.Wait()
	})
}

// What two hosts can do is the same through the kernel's bridge and through
// ipnfs, with taps, veths, grabbed interfaces and files: pings of all sizes, fragments,
// jumbo frames, TCP, UDP, super-frames, groups, and what does not work.
func TestSameAsKernel(t *testing.T) {
	harness.NeedRoot(t)
	harness.NeedProgram(t, "ping")
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprintf("mtu %d", mtu), func(t *testing.T) {
			t.Parallel()
			results := map[string][]string{}
			for _, f := range fabrics {
				p := pair{newHost(t), newHost(t)}
				f.join(t, p)
				p.a.address(1, mtu)
				p.b.address(2, mtu)
				for _, probe := range probes {
					results[f.name] = append(results[f.name], probe.run(p, mtu))
				}
			}
			for i, probe := range probes {
				want := results["kernel"][i]
				t.Logf("%s: %s", probe.name, want)
				for _, f := range fabrics {
					if got := results[f.name][i]; got != want {
						t.Errorf("%s through %s: %s, but %s through the kernel's bridge", probe.name, f.name, got, want)
					}
				}
			}
		})
	}
}
