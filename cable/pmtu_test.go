package cable

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/iface"
	"ipnfs/iface/nstest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// host is a namespace with a tap that is a port of a switch, on which there is a cable.
type host struct {
	*lab
	name string
	fake *fake
}

func newHost(t *testing.T, number int) *host {
	t.Helper()
	h := &host{lab: newSwitch(t)}
	t.Cleanup(func() { h.Bus.Shutdown(); iface.Wait() })
	h.name, _ = nstest.New(t)
	command := fmt.Sprintf("%s netns=%s addr=10.9.0.%d/24 addr=fd09::%d/64 up", nstest.Name(), h.name, number, number)
	if err := bus.AttacherOf("tap").Attach(h.Net, self(t), command); err != nil {
		t.Fatal(err)
	}
	_, h.fake = h.lay("fake://x")
	return h
}

// run runs a program there and returns what it says.
func (h *host) run(t *testing.T, argv ...string) string {
	t.Helper()
	text, _ := exec.CommandContext(t.Context(), "ip", append([]string{"netns", "exec", h.name}, argv...)...).CombinedOutput()
	return string(text)
}

// Hosts whose switches are joined by a cable that is shorter than their own links find
// out, by ping, and for the connections of TCP.
func TestPathMTU(t *testing.T) {
	nstest.NeedRoot(t)
	for _, program := range []string{"ping", "iperf3", "ip"} {
		harness.NeedProgram(t, program)
	}
	a, b := newHost(t, 1), newHost(t, 2)
	join := func(longest int) {
		far := lanetest.NewFar(t)
		for i, h := range []*host{a, b} {
			fd := []int{far.Near, far.FD}[i]
			h.fake.next <- answer{link: &Link{Source: lanetest.Datagrams{FD: fd}.Source(), MaxLen: longest}}
			h.await(cables(h.Net)[0], "up")
		}
	}
	transfer := func(address string) {
		t.Helper()
		done := make(chan string)
		go func() { done <- a.run(t, "iperf3", "-s", "-1") }()
		bustest.WaitFor(t, "the transfer", func() bool {
			return strings.Contains(b.run(t, "iperf3", "-c", address, "-n", "2M"), "iperf Done")
		})
		<-done
	}
	reached := func(address string) bool {
		return strings.Contains(a.run(t, "ping", "-c1", "-W1", address), " 0% packet loss")
	}
	want := func(h *host, pattern string, argv ...string) {
		t.Helper()
		if text := h.run(t, argv...); !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%q says %s", argv, text)
		}
	}
	join(1014)
	bustest.WaitFor(t, "the hosts to reach one another", func() bool { return reached("10.9.0.2") && reached("fd09::2") })
	transfer("10.9.0.1")
	want(b, "mtu 1000", "ip", "route", "get", "10.9.0.1")
	want(a, `10\.9\.0\.2 .*Frag needed and DF set \(mtu = 1000\)`, "ping", "-Mdo", "-c1", "-W1", "-s1400", "10.9.0.2")

	const ipv6 = 1314 // no link may be shorter than 1280
	a.fake.plug.Load().SetMaxLen(ipv6)
	b.fake.plug.Load().SetMaxLen(ipv6)
	transfer("fd09::1")
	want(b, "mtu 1300", "ip", "route", "get", "fd09::1")
	want(a, `fd09::2 .*Packet too big: mtu=1300`, "ping", "-Mdo", "-c1", "-W1", "-s1400", "fd09::2")
	for _, h := range []*host{a, b} {
		if n := lanetest.Count(cables(h.Net)[0].port(), "drop_too_long"); n == 0 {
			t.Error("nothing was too long")
		}
	}
}
