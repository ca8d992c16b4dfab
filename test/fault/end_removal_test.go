package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// number asks an open door for its port number.
func number(t *testing.T, fd int) string {
	t.Helper()
	n, err := unix.IoctlGetUint32(fd, portNumber)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n)
}

// removePort disconnects a port by its number.
func removePort(t *testing.T, m *harness.Mounted, n string) {
	t.Helper()
	if err := unix.Rmdir(m.Path(lan, "ports", n)); err != nil {
		t.Fatalf("rmdir ports/%s: %v", n, err)
	}
}

// gone checks what a door says whose port was removed: what was queued, then
// the end of file for ever; ECONNRESET to writers; POLLHUP|POLLIN.
func gone(t *testing.T, fd int, queued ...string) {
	t.Helper()
	for _, text := range queued {
		expect(t, fd, text)
	}
	for range 2 {
		expectEOF(t, fd)
		_, err := unix.Write(fd, []byte("x"))
		expectErr(t, "write to a port that is gone", err, unix.ECONNRESET)
		if got := poll(t, fd, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLHUP|unix.POLLIN {
			t.Fatalf("poll of a port that is gone: %#x", got)
		}
	}
}

// rmdir ports/N disconnects the holder; queued frames can still be read.
func TestRemovePort(t *testing.T) {
	m := start(t)
	fd, other := openPort(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	send(t, other, "one")
	send(t, other, "two")
	removePort(t, m, number(t, fd))
	send(t, other, "too late")
	m.CheckBalance(t, lan)
	gone(t, fd, "one", "two")
	if _, err := os.Stat(m.Path(lan, "ports", number(t, fd))); !os.IsNotExist(err) {
		t.Errorf("stat of the removed port: %v", err)
	}
	if s := m.CheckBalance(t, lan); s["ports"] != 1 || s["received"] != 2 {
		t.Errorf("stats: %v", s)
	}
	// The number is free, and the one who lost it does not disturb the next.
	next := openPort(t, m, unix.O_RDWR)
	if number(t, next) != number(t, fd) {
		t.Errorf("the next port has number %s", number(t, next))
	}
	send(t, other, "hello")
	expect(t, next, "hello")
	gone(t, fd)
	closeNow(t, fd)
	send(t, other, "hello again")
	expect(t, next, "hello again")
}

// A part of a frame that was read before the removal is followed by its rest.
func TestRemovePortRest(t *testing.T) {
	m := start(t)
	fd, other := openPort(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	send(t, other, "begin and end")
	send(t, other, "next")
	if got := read(t, fd, 5); string(got) != "begin" {
		t.Fatalf("read %q", got)
	}
	removePort(t, m, number(t, fd))
	gone(t, fd, " and end", "next")
}

// rmdir ports/N wakes who waits there in read, write, poll.
func TestRemovePortOfWaiting(t *testing.T) {
	for _, door := range doors {
		t.Run(door, func(t *testing.T) {
			m := start(t)
			fill(t, m)
			calls := map[string]string{"read": "read ", "write": "write ECONNRESET", "poll": "poll 11 "}
			for call, want := range calls {
				c, _ := caller(t, m, door, call, "none")
				n := newest(t, m)
				removePort(t, m, n)
				c.Expect(t, want)
				c.AwaitEnd(t)
			}
			if n := m.Stats(t, lan)["ports"]; n != 1 {
				t.Errorf("%d ports", n)
			}
		})
	}
}

// newest is the highest port number.
func newest(t *testing.T, m *harness.Mounted) string {
	t.Helper()
	ports, err := filepath.Glob(m.Path(lan, "ports", "*"))
	if err != nil || len(ports) == 0 {
		t.Fatalf("ports: %v, %v", ports, err)
	}
	return filepath.Base(ports[len(ports)-1])
}

// rmdir of a network with ports is refused, and changes nothing; the way it
// names works.
func TestRemoveNetwork(t *testing.T) {
	m := start(t)
	net := m.Network(t, "other")
	fd, other := open(t, net+"/port", unix.O_RDWR), open(t, net+"/stream", unix.O_RDWR)
	expectErr(t, "rmdir", unix.Rmdir(net), unix.EBUSY)
	send(t, fd, "as before")
	expect(t, other, "\x00\x09as before")
	send(t, other, "\x00\x06queued")
	waiting := reading(other, 100)
	awaitBlocked(t, m, 1)
	ports, _ := filepath.Glob(net + "/ports/*")
	for _, port := range ports {
		if err := unix.Rmdir(port); err != nil {
			t.Fatal(err)
		}
	}
	if got := await(t, "read", waiting); got.n != 0 || got.err != nil {
		t.Errorf("read: %q, %v", got.data, got.err)
	}
	if err := unix.Rmdir(net); err != nil {
		t.Fatal(err)
	}
	gone(t, fd, "queued")
	gone(t, other)
	if _, err := os.Stat(net); !os.IsNotExist(err) {
		t.Errorf("stat of the removed network: %v", err)
	}
}

// With persist=0 a network ends with its last port, by close or by removal.
func TestPersist(t *testing.T) {
	m := start(t)
	for _, how := range []string{"close", "removal"} {
		net := m.Network(t, how)
		harness.Set(t, "0", net, "persist")
		events := open(t, net+"/events", unix.O_RDONLY)
		fd, second := open(t, net+"/port", unix.O_RDWR), open(t, net+"/port", unix.O_RDWR)
		send(t, second, "queued")
		closeNow(t, second)
		if _, err := os.Stat(net); err != nil {
			t.Fatal(err)
		}
		if how == "removal" {
			if err := unix.Rmdir(net + "/ports/1"); err != nil {
				t.Fatal(err)
			}
			gone(t, fd, "queued")
		} else {
			closeNow(t, fd)
		}
		if _, err := os.Stat(net); !os.IsNotExist(err) {
			t.Errorf("%s: stat of the ended network: %v", how, err)
		}
		for len(read(t, events, 65536)) > 0 { // until the end of file
		}
		if n := poll(t, events, unix.POLLIN, 0); n != unix.POLLIN|unix.POLLHUP {
			t.Errorf("poll of the events of an ended network: %#x", n)
		}
	}
}

// An open file of a network that ended does not reach a new one of its name.
func TestOldNetwork(t *testing.T) {
	m := start(t)
	net := m.Network(t, "other")
	mtu := open(t, net+"/mtu", unix.O_RDWR)
	fd := open(t, net+"/port", unix.O_RDWR)
	if err := unix.Rmdir(net + "/ports/1"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Rmdir(net); err != nil {
		t.Fatal(err)
	}
	m.Network(t, "other")
	r := open(t, net+"/port", unix.O_RDONLY)
	gone(t, fd)
	_, err := unix.Write(mtu, []byte("100"))
	expectErr(t, "write to a setting of an ended network", err, unix.ENODEV)
	_, err = unix.Read(mtu, make([]byte, 10))
	expectErr(t, "read of a setting of an ended network", err, unix.ENODEV)
	expectEmpty(t, r)
	if got := harness.Get(t, net, "mtu"); got != "65535" {
		t.Errorf("mtu %s", got)
	}
}
