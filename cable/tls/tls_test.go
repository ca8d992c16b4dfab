package tls

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/bustest"
)

// Two networks are one, though the listener comes later, and again after either cable
// was taken off and laid.
func TestPair(t *testing.T) {
	a, b, addr := newMember(t, "a"), newMember(t, "b"), freeAddr(t)
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.await("c", "state=down")
	for range 2 {
		b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
		a.await("c", "state=up")
		b.await("c", "state=up")
		a.reach(b)
		b.reach(a)
		b.detach("c")
		a.await("c", "state=down")
	}
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	a.await("c", "state=up")
	a.detach("c")
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.reach(b)
}

// One address serves many peers: the pin chooses the cable.
func TestShared(t *testing.T) {
	hub, addr := newMember(t, "hub"), freeAddr(t)
	var leaves []*member
	for i := range 3 {
		leaf := newMember(t, fmt.Sprintf("leaf%d", i))
		hub.lay(fmt.Sprintf("c%d", i), "tls-listen://%s?cert=%s&pin=%s", addr, hub.file, leaf.pin)
		leaves = append(leaves, leaf)
	}
	for i, leaf := range leaves {
		if i == 1 {
			continue
		}
		leaf.lay("c", "tls://%s?cert=%s&pin=%s", addr, leaf.file, hub.pin)
		leaf.await("c", "state=up")
		hub.await(fmt.Sprintf("c%d", i), "state=up")
		leaf.reach(hub)
	}
	if line := hub.line("c1"); strings.Contains(line, "state=up") {
		t.Errorf("nobody has connected: %s", line)
	}
	hub.lay("other", "tls-listen://%s?cert=%s&pin=%s", addr, leaves[0].file, leaves[0].pin)
	hub.await("other", "another certificate")
	hub.lay("twice", "tls-listen://%s?cert=%s&pin=%s", addr, hub.file, leaves[0].pin)
	hub.await("twice", "waits for "+leaves[0].pin)
}

// A second cable to the same network stays down until the first has gone, and one that
// leads back is refused.
func TestDuplicate(t *testing.T) {
	a, b, one, two := newMember(t, "a"), newMember(t, "b"), freeAddr(t), freeAddr(t)
	for i, addr := range []string{one, two} {
		b.lay(fmt.Sprintf("c%d", i), "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	}
	a.lay("c0", "tls://%s?cert=%s&pin=%s", one, a.file, b.pin)
	a.await("c0", "state=up")
	a.lay("c1", "tls://%s?cert=%s&pin=%s", two, a.file, b.pin)
	a.await("c1", `reason="the network is joined to that one by cable c0 already"`)
	a.detach("c0")
	a.await("c1", "state=up")

	self := freeAddr(t)
	a.lay("there", "tls-listen://%s?cert=%s&pin=%s", self, a.file, a.pin)
	a.lay("back", "tls://%s?cert=%s&pin=%s", self, a.file, a.pin)
	a.await("back", `reason="it leads back to this network"`)
}

// Who is not trusted is refused, whichever end he is, and told to people.
func TestRefused(t *testing.T) {
	a, b, addr := newMember(t, "a"), newMember(t, "b"), freeAddr(t)
	_, stranger := newKey(t, "stranger")
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, stranger)
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.await("c", "does not trust this one, whose pin is "+a.pin)
	b.awaitTold(a.pin)
	a.detach("c")
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, stranger)
	a.await("c", "not to be trusted: its pin is "+b.pin)
	a.detach("c")
	b.detach("c")

	// Older versions, and no certificate.
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	for what, c := range map[string]*tls.Config{
		"TLS 1.2":        {MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		"no certificate": {InsecureSkipVerify: true},
	} {
		conn, err := tls.Dial("tcp", addr, c)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil {
			t.Errorf("%s is welcome", what)
		}
	}
}

// The same peer may connect again: that connection counts.
func TestAgain(t *testing.T) {
	a, b, other, addr := newMember(t, "a"), newMember(t, "b"), newMember(t, "c"), freeAddr(t)
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.await("c", "state=up")
	b.await("c", "state=up")
	other.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	other.reach(b)
}

// Strangers who say nothing, or nonsense, or hang up anywhere, keep nobody out.
func TestStrangers(t *testing.T) {
	a, b, addr := newMember(t, "a"), newMember(t, "b"), freeAddr(t)
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	bustest.WaitFor(t, "the address to be there", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for i := range 2 * maxShaking {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%3 == 1 {
			_, _ = io.WriteString(c, strings.Repeat("nonsense", i))
		}
	}
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.reach(b)
}

// A peer with the right key who says something else than a hello, any part of one, or
// garbage behind, makes nothing worse than a link that ends.
func TestHostile(t *testing.T) {
	a, b, addr := newMember(t, "a"), newMember(t, "b"), freeAddr(t)
	b.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, b.file, a.pin)
	text, err := os.ReadFile(a.file)
	if err != nil {
		t.Fatal(err)
	}
	own := config(parse(t, text))
	hello := append([]byte("\x89ipnfs\r\n\x01\x00\x00\xff\xff"), make([]byte, 17)...)
	hello[20] = 9
	for n := 0; n <= len(hello)+5; n++ {
		var conn *tls.Conn
		bustest.WaitFor(t, "a connection", func() bool {
			conn, err = tls.Dial("tcp", addr, own)
			return err == nil
		})
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		sent := append(append([]byte{}, hello...), 0, 0, 255, 255, 255)[:n]
		_, _ = conn.Write(sent)
		if n == len(hello)+5 {
			_, _ = io.Copy(io.Discard, conn) // it hangs up
		}
		conn.Close()
	}
	a.lay("c", "tls://%s?cert=%s&pin=%s", addr, a.file, b.pin)
	a.reach(b)
	b.reach(a)
}
