package fault

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// With a cap on memory a slow receiver of large frames loses what is above it,
// counted; who is quick loses nothing; the daemon does not grow.
func TestMemoryCap(t *testing.T) {
	m := start(t, "mem=1M")
	harness.Set(t, "65536", m.Path(lan, "queue"))
	slow, quick, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	before := m.ResidentKB(t)
	const frames, size = 300, 60000
	for i := range frames {
		frame := pattern(size, byte(i))
		waiting := reading(quick, 65536)
		awaitBlocked(t, m, 1)
		write(t, w, frame)
		if got := await(t, "read", waiting); equal(got.data, frame) != size {
			t.Fatalf("the quick receiver got %d bytes, %v", got.n, got.err)
		}
	}
	if after := m.ResidentKB(t); !harness.Race && after > before+8<<10 {
		t.Errorf("the daemon grew from %d to %d KiB", before, after)
	}
	s := m.CheckBalance(t, lan)
	if s["drop_memory"] == 0 || s["drop_memory"] != harness.Dropped(s) || s["queued_bytes"] > 1<<20 || s["queued"] == 0 {
		t.Errorf("stats: %v", s)
	}
	if n := m.Metric(t, "ipnfs_memory_bytes"); n > 1<<20 {
		t.Errorf("memory_bytes %d", n)
	}
	// The slow one has the first frames, whole, and room again once it has read them.
	for i := range int(s["queued"]) {
		if got := read(t, slow, 65536); equal(got, pattern(size, byte(i))) != size {
			t.Fatalf("the slow receiver got %d bytes", len(got))
		}
	}
	send(t, w, "room again")
	expect(t, slow, "room again")
	expect(t, quick, "room again")
}

// What streams hold of unfinished frames, and writers that wait, counts too.
func TestMemoryOfSenders(t *testing.T) {
	m := start(t, "mem=1M")
	full := fill(t, m)
	begin := streamed(string(pattern(60000, 1)))[:50000]
	refused := 0
	for range 40 {
		w := openStream(t, m, unix.O_WRONLY)
		if n, err := retry(func() (int, error) { return unix.Write(w, begin) }); n != len(begin) {
			expectErr(t, "write", err, unix.ENOBUFS)
			refused++
		}
	}
	if refused == 0 || refused == 40 {
		t.Errorf("%d of 40 writers were refused", refused)
	}
	if n := m.Metric(t, "ipnfs_memory_bytes"); n > 1<<20 {
		t.Errorf("memory_bytes %d", n)
	}
	w := openPort(t, m, unix.O_WRONLY)
	got := await(t, "write", writing(w, pattern(60000, 1)))
	expectErr(t, "a write that would have to wait", got.err, unix.ENOBUFS)
	expect(t, full, "fills the queue")
	expectEmpty(t, full)
}

// ports_max bounds the ports of all networks, reservations included.
func TestPortsMax(t *testing.T) {
	m := start(t, "ports_max=3")
	net := m.Network(t, "other")
	openPort(t, m, unix.O_RDONLY)
	fd := open(t, net+"/stream", unix.O_WRONLY)
	reserved := net + "/ports/9"
	if err := os.Mkdir(reserved, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := unix.Open(m.Path(lan, "port"), unix.O_WRONLY, 0)
	expectErr(t, "open", err, unix.EUSERS)
	expectErr(t, "mkdir", os.Mkdir(net+"/ports/8", 0o755), unix.EUSERS)
	closeNow(t, fd)
	closeNow(t, openPort(t, m, unix.O_WRONLY))
	if err := os.Remove(reserved); err != nil {
		t.Fatal(err)
	}
	openPort(t, m, unix.O_WRONLY)
	openPort(t, m, unix.O_WRONLY)
	_, err = unix.Open(m.Path(lan, "port"), unix.O_WRONLY, 0)
	expectErr(t, "open", err, unix.EUSERS)
}

// networks_max bounds the networks.
func TestNetworksMax(t *testing.T) {
	m := start(t, "networks_max=2")
	m.Network(t, "second")
	for range 3 {
		expectErr(t, "mkdir", os.Mkdir(m.Path("third"), 0o755), unix.ENOSPC)
		if err := os.Remove(m.Path("second")); err != nil {
			t.Fatal(err)
		}
		m.Network(t, "second")
	}
}

// A thousand networks come and go, each used once.
func TestThousandNetworks(t *testing.T) {
	const networks = 1000
	m := start(t)
	for i := range networks {
		net := m.Network(t, fmt.Sprintf("net%d", i))
		if i%10 == 0 {
			r, w := open(t, net+"/port", unix.O_RDONLY), open(t, net+"/stream", unix.O_WRONLY)
			write(t, w, streamed("hello"))
			expect(t, r, "hello")
			closeNow(t, r)
			closeNow(t, w)
		}
	}
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		if e.IsDir() {
			found++
		}
	}
	if n := m.Metric(t, "ipnfs_networks"); found != networks+1 || n != networks+1 {
		t.Errorf("%d networks are listed, %d counted", found, n)
	}
	for i := range networks {
		if err := unix.Rmdir(m.Path(fmt.Sprintf("net%d", i))); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
	}
	if n := m.Metric(t, "ipnfs_networks"); n != 1 {
		t.Errorf("%d networks are left", n)
	}
}
