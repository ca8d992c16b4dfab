package nats

import (
	"fmt"
	"testing"

	"ipnfs/bus/bustest"
)

// group makes members with cables to one subject, each to its own server.
func group(tb testing.TB, policy string, servers []*server, n int) (list []*member) {
	tb.Helper()
	for i := range n {
		list = append(list, newMember(tb, policy, fmt.Sprintf("nats://%s/lan", servers[i%len(servers)].addr), i+1))
	}
	for _, m := range list {
		m.awaitUp(tb)
	}
	// A cluster passes on what somebody wants a little after it is wanted.
	for _, m := range list {
		for _, other := range list {
			if other != m {
				bustest.WaitFor(tb, "a frame to come", func() bool {
					m.send(tb, everybody, 1, 60)
					n, _ := other.counter.from(m.index)
					return n > 0
				})
			}
		}
	}
	return list
}

// Each frame of a broadcast network comes to each other member, once, and to none
// twice.
func TestBroadcast(t *testing.T) {
	list := group(t, "broadcast", newServers(t, 3, ""), 3)
	began := map[int]int{}
	for _, m := range list {
		began[m.index] = m.sent
		m.send(t, everybody, 2000, 200)
	}
	for _, m := range list {
		for _, from := range list {
			if from == m {
				continue
			}
			bustest.WaitFor(t, fmt.Sprintf("frames from %d at %d", from.index, m.index), func() bool {
				n, twice := m.counter.from(from.index)
				if twice > 0 {
					t.Fatal("a frame came twice")
				}
				return n == from.sent || n >= 2000 && n >= from.sent-began[from.index]
			})
		}
		if m.word("lost") != "0" || m.word("twice") != "0" || m.word("stations") != "0" {
			t.Errorf("the line is %s", m.line())
		}
	}
}
