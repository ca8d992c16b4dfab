package ether

import (
	"net"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"ipnfs/test/harness"
)

// programs counts what is attached to an interface's ingress (TCX), and
// promiscuous tells whether it takes what is not for it.
func (h *host) programs(name string) (n int) {
	h.t.Helper()
	h.In(func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		result, err := link.QueryPrograms(link.QueryOptions{Target: i.Index, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			n = len(result.Programs)
		}
		return err
	})
	return n
}

// grabbedPair is a veth pair in one namespace: inside is grabbed, outside has
// an address, and so has inside, which nobody reaches as long as it is grabbed.
func grabbedPair(t *testing.T, l *lab) (inside, outside *host) {
	inside, outside = newHost(t), newHost(t)
	inside.veth("v0", outside)
	outside.address(1, 1500)
	inside.IP("addr add 10.0.0.2/24 dev v0")
	if got := ping("10.0.0.2", "56")(pair{a: outside}, 0); got != "answered" {
		t.Fatalf("ping before the grab: %s", got)
	}
	inside.attach(l, lan, "grab", "v0")
	if inside.programs("v0") == 0 {
		t.Fatal("nothing is attached to the interface")
	}
	if got := ping("10.0.0.2", "56", "-W", "0.1")(pair{a: outside}, 0); got == "answered" {
		t.Fatal("the host sees frames of an interface that is grabbed")
	}
	return inside, outside
}

func checkReleased(t *testing.T, inside, outside *host) {
	t.Helper()
	harness.Eventually(t, "the interface to be released", func() bool { return inside.programs("v0") == 0 })
	if text := inside.IP("-d link show v0"); !strings.Contains(text, "promiscuity 0 ") {
		t.Errorf("the interface is still promiscuous: %s", text)
	}
	if got := ping("10.0.0.2", "56")(pair{a: outside}, 0); got != "answered" {
		t.Errorf("ping to an interface that was released: %s", got)
	}
}

// A daemon that is killed leaves no device, no program, nothing.
func TestKilled(t *testing.T) { overWires(t, testKilled) }

func testKilled(t *testing.T, l *lab) {
	a, b := newHost(t), newHost(t)
	a.join(l, "eth0")
	b.join(l, "eth0")
	a.address(1, 1500)
	b.address(2, 1500)
	b.IP("tuntap add dev keep0 mode tap")
	b.attach(l, lan, "tap", "keep0")
	inside, outside := grabbedPair(t, l)
	load(t, pair{a, b})
	l.Kill(t)
	harness.Eventually(t, "their interfaces to be gone", func() bool { return !a.Has("eth0") && !b.Has("eth0") })
	if !b.Has("keep0") {
		t.Error("a tap that was there before is gone")
	}
	checkReleased(t, inside, outside)
}

// So does one that ends, an interface that is taken off, and a network that is
// removed.
func TestReleased(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(l *lab, inside *host){
		"taken off":    func(l *lab, inside *host) { inside.attach(l, lan, "grab", "-v0") },
		"port removed": func(l *lab, _ *host) { harness.Exec(l.t, "rmdir", l.Path(lan, "ports", "1")) },
		"network removed": func(l *lab, _ *host) {
			harness.Exec(l.t, "sh", "-c", "rmdir "+l.Path(lan, "ports")+"/* && rmdir "+l.Path(lan))
		},
		"daemon ended": func(l *lab, _ *host) { l.End(l.t) },
	} {
		l := start(t)
		inside, outside := grabbedPair(t, l)
		a := newHost(t)
		a.join(l, "eth0")
		end(l, inside)
		checkReleased(t, inside, outside)
		if gone := !a.Has("eth0"); gone != (name == "network removed" || name == "daemon ended") {
			t.Errorf("%s: the other tap is gone: %v", name, gone)
		}
	}
}
