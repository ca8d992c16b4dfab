package fault

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A sender to a full receiver waits and holds up nobody who need not wait:
// senders of other networks, readers, reports, and itself as a reader.
func TestBlock(t *testing.T) {
	m := start(t)
	full, w, other := fill(t, m), openPort(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	expect(t, full, "fills the queue")
	send(t, other, "to w and full")
	waiting := writing(w, []byte("waits"))
	awaitBlocked(t, m, 1)

	net := m.Network(t, "free")
	r2, w2 := open(t, net+"/port", unix.O_RDONLY), open(t, net+"/port", unix.O_WRONLY)
	send(t, w2, "elsewhere")
	expect(t, r2, "elsewhere")
	expect(t, w, "to w and full") // the same open file
	m.CheckBalance(t, lan)
	if n := m.Stats(t, lan)["frames"]; n != 2 {
		t.Errorf("%d frames sent", n)
	}
	openPort(t, m, unix.O_WRONLY) // joining does not wait either

	expect(t, full, "to w and full")
	if got := await(t, "write", waiting); got.n != 5 || got.err != nil {
		t.Fatalf("write: %d, %v", got.n, got.err)
	}
	expect(t, full, "waits")
	expect(t, other, "waits")
	expectEmpty(t, w)
}

// With O_NONBLOCK, by open or by fcntl, a send that would wait sends nothing.
func TestBlockNonblock(t *testing.T) {
	m := start(t)
	full := fill(t, m)
	w, late := openPort(t, m, unix.O_WRONLY|unix.O_NONBLOCK), openPort(t, m, unix.O_WRONLY)
	if err := unix.SetNonblock(late, true); err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{w, late} {
		_, err := unix.Write(fd, []byte("too much"))
		expectErr(t, "write", err, unix.EAGAIN)
	}
	expect(t, full, "fills the queue")
	expectEmpty(t, full)
	send(t, w, "fits")
	expect(t, full, "fits")
	if s := m.Stats(t, lan); s["frames"] != 2 || harness.Dropped(s) != 0 {
		t.Errorf("stats: %v", s)
	}
}

// Many senders wait for one receiver, and all go on as it reads: nothing is
// lost, nothing comes twice, and each sender's frames keep their order.
func TestBlockManySenders(t *testing.T) {
	for _, door := range doors {
		t.Run(door, func(t *testing.T) {
			const senders, frames = 8, 60
			m := start(t)
			full := fill(t, m)
			expect(t, full, "fills the queue")
			second := openPort(t, m, unix.O_RDONLY)
			sent := make(chan error, senders)
			for s := range senders {
				w := open(t, m.Path(lan, door), unix.O_WRONLY)
				go func() {
					for i := range frames {
						text := []byte(form(door, fmt.Sprintf("%d %d", s, i)))
						if n, err := retry(func() (int, error) { return unix.Write(w, text) }); n != len(text) {
							sent <- fmt.Errorf("write: %d, %w", n, err)
							return
						}
					}
					sent <- nil
				}()
			}
			var next [senders]int
			for range senders * frames {
				text := string(read(t, full, 100))
				expect(t, second, text)
				var s, i int
				if _, err := fmt.Sscanf(text, "%d %d", &s, &i); err != nil || next[s] != i {
					t.Fatalf("frame %q, when %d of its sender was next", text, next[s])
				}
				next[s]++
			}
			for range senders {
				if err := <-sent; err != nil {
					t.Error(err)
				}
			}
			expectEmpty(t, full)
			if s := m.Stats(t, lan); harness.Dropped(s) != 0 {
				t.Errorf("stats: %v", s)
			}
		})
	}
}

// A frame that waits for one receiver goes to no other before.
func TestBlockAllOrNone(t *testing.T) {
	m := start(t)
	harness.Set(t, "2", m.Path(lan, "queue"))
	fast, full, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	harness.Set(t, "block", m.Path(lan, "ports", number(t, full), "overflow"))
	send(t, w, "one")
	send(t, w, "two")
	waiting := writing(w, []byte("three"))
	awaitBlocked(t, m, 1)
	expect(t, fast, "one")
	expect(t, fast, "two")
	expectEmpty(t, fast)
	expect(t, full, "one")
	if got := await(t, "write", waiting); got.err != nil {
		t.Fatal(got.err)
	}
	expect(t, fast, "three")
	expect(t, full, "two")
	expect(t, full, "three")
	expectEmpty(t, fast)
	expectEmpty(t, full)
	// The one that does not block drops, without any wait.
	for _, f := range []string{"four", "five", "six"} {
		send(t, w, f)
		expect(t, full, f)
	}
	expect(t, fast, "four")
	expect(t, fast, "five")
	expectEmpty(t, fast)
}
