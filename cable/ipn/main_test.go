package ipn

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/cable"
	_ "ipnfs/policies/l2switch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hub = "bustest-hub"

// networks makes networks of one bus, by name. When the test ends their counters must
// balance, and all memory and ports be given back.
func networks(t *testing.T, policy string, names ...string) (b *bus.Bus, all []*bus.Network) {
	t.Helper()
	b = bus.New(bus.DefaultLimits())
	for _, name := range names {
		n, err := b.Create(name, policy, bus.Access{Mode: 0o755}, bus.Access{Mode: 0o744})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	t.Cleanup(func() {
		for _, n := range all {
			if err := bustest.CheckBalance(n.Stats()); err != nil {
				t.Errorf("%s: %v", n.Name(), err)
			}
		}
		b.Shutdown()
		cable.Wait()
		bustest.WaitFor(t, "memory and ports", func() bool { return b.Memory.Used() == 0 && b.PortsUsed() == 0 })
	})
	return b, all
}

// uid lays cables as a user.
func caller(uid uint32) bus.Caller {
	c := bus.Caller{Info: bus.Info{UID: uid}}
	c.Rights = bus.Credentials{UID: uid, GID: uid, Known: true, Thread: uint32(os.Getpid())}
	return c
}

func lay(t *testing.T, n *bus.Network, command string) {
	t.Helper()
	if err := bus.AttacherOf("cable").Attach(n, caller(0), command); err != nil {
		t.Fatal(err)
	}
}

// await waits until the cables of n are shown so.
func await(t *testing.T, n *bus.Network, words ...string) {
	t.Helper()
	var shown string
	ok := func() bool {
		shown = bus.AttacherOf("cable").List(n)
		for _, w := range words {
			if !strings.Contains(shown, w) {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %q, it is %q", words, shown)
		}
	}
}

func join(t *testing.T, n *bus.Network, ep bus.Endpoint) *bus.Conn {
	t.Helper()
	c, err := n.Join(ep, bus.JoinOptions{Recv: true, Send: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func set(t *testing.T, n *bus.Network, change func(*bus.Settings)) {
	t.Helper()
	if err := n.Change(change); err != nil {
		t.Fatal(err)
	}
}

// count is a counter of a network.
func count(n *bus.Network, name string) uint64 {
	s := n.Stats()
	for _, one := range s.List() {
		if one.Name == name {
			return one.Value
		}
	}
	panic(name)
}

func frameOf(sender, seq int) []byte {
	return bustest.Mark(bustest.EthernetHeader(sender), sender, seq, 30+seq%1000)
}
