package fault

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Whatever a full receiver means, the others get everything, and the sender
// does not wait; what the slow one gets is as the setting says.
func TestOverflow(t *testing.T) {
	for _, c := range []struct {
		overflow, drop string
		dropped        uint64
		first, last    int    // of the ten frames, those that the slow one gets
		then           string // and then
	}{
		{"drop-new", "drop_full", 6, 0, 4, "EAGAIN"},
		{"drop-old", "drop_displaced", 6, 6, 10, "EAGAIN"},
		{"disconnect", "drop_full", 1, 0, 4, ""},
	} {
		for kind, newSlow := range slow {
			for _, door := range doors {
				t.Run(c.overflow+" "+kind+" "+door, func(t *testing.T) {
					m := start(t)
					harness.Set(t, c.overflow, m.Path(lan, "overflow"))
					harness.Set(t, "4", m.Path(lan, "queue"))
					received, end := newSlow(t, m, door)
					fast, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
					for _, f := range ten {
						send(t, w, f)
						expect(t, fast, f)
					}
					s := m.CheckBalance(t, lan)
					if s[c.drop] != c.dropped || harness.Dropped(s) != c.dropped {
						t.Errorf("stats: %v", s)
					}
					want := strings.Join(append(append([]string{}, ten[c.first:c.last]...), c.then), " ")
					if got := strings.Join(received(), " "); got != want {
						t.Errorf("received %q, not %q", got, want)
					}
					if s := m.CheckBalance(t, lan); s["queued"] != 0 || s["received"] != 14 {
						t.Errorf("stats: %v", s)
					}
					end()
				})
			}
		}
	}
}

// A batch of a stream that overflows is treated frame by frame.
func TestOverflowBatch(t *testing.T) {
	for overflow, want := range map[string]string{"drop-new": "f0 f1 f2 f3", "drop-old": "f6 f7 f8 f9", "disconnect": "f0 f1 f2 f3"} {
		m := start(t)
		harness.Set(t, overflow, m.Path(lan, "overflow"))
		harness.Set(t, "4", m.Path(lan, "queue"))
		r, w := openPort(t, m, unix.O_RDONLY), openStream(t, m, unix.O_WRONLY)
		write(t, w, streamed(ten...))
		m.CheckBalance(t, lan)
		for _, f := range strings.Fields(want) {
			expect(t, r, f)
		}
		if overflow == "disconnect" {
			expectEOF(t, r)
		} else {
			expectEmpty(t, r)
		}
		m.CheckBalance(t, lan)
	}
}

// A port may have a queue and an overflow of its own, and lose them again.
func TestOverflowOfPort(t *testing.T) {
	m := start(t)
	harness.Set(t, "4", m.Path(lan, "queue"))
	plain, own := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_RDONLY)
	w := openPort(t, m, unix.O_WRONLY)
	port := m.Path(lan, "ports", number(t, own))
	harness.Set(t, "2", port, "queue")
	harness.Set(t, "drop-old", port, "overflow")
	check := func(wantPlain, wantOwn string) {
		t.Helper()
		for _, f := range ten {
			send(t, w, f)
		}
		for fd, want := range map[int]string{plain: wantPlain, own: wantOwn} {
			for _, f := range strings.Fields(want) {
				expect(t, fd, f)
			}
			expectEmpty(t, fd)
		}
	}
	check("f0 f1 f2 f3", "f8 f9")
	harness.Set(t, "drop-old", m.Path(lan, "overflow"))
	harness.Set(t, "drop-new", port, "overflow")
	check("f6 f7 f8 f9", "f0 f1")
	harness.Set(t, "network", port, "queue")
	check("f6 f7 f8 f9", "f0 f1 f2 f3")
	harness.Set(t, "network", port, "overflow")
	check("f6 f7 f8 f9", "f6 f7 f8 f9")
	if got := harness.Get(t, port, "queue") + " " + harness.Get(t, port, "overflow"); got != "4 drop-old" {
		t.Errorf("the port has %s", got)
	}
	if s := harness.ReadStats(t, port+"/stats"); s["received"] != 12 || s["offered"] != 40 || harness.Dropped(s) != 28 {
		t.Errorf("stats of the port: %v", s)
	}
}

// A queue that is made shorter keeps what it holds until a frame comes for
// which there is no room: then it is as the overflow setting says.
func TestShorterQueue(t *testing.T) {
	for overflow, want := range map[string]string{"drop-new": "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9", "drop-old": "f9 g0"} {
		m := start(t)
		harness.Set(t, overflow, m.Path(lan, "overflow"))
		r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
		for _, f := range ten {
			send(t, w, f)
		}
		harness.Set(t, "2", m.Path(lan, "queue"))
		if n := m.Stats(t, lan)["queued"]; n != 10 {
			t.Errorf("queued %d", n)
		}
		send(t, w, "g0")
		for _, f := range strings.Fields(want) {
			expect(t, r, f)
		}
		expectEmpty(t, r)
		for _, f := range ten[:3] {
			send(t, w, f)
		}
		if s := m.CheckBalance(t, lan); s["queued"] != 2 {
			t.Errorf("stats: %v", s)
		}
	}
}
