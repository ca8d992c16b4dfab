package cable

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/nstest"
	"ipnfs/lane/lanetest"
)

func TestDialAndListen(t *testing.T) {
	o := originOf(t, self(t), "")
	ctx := t.Context()
	if l, err := o.Listen(ctx, "127.0.0.1:0"); err == nil {
		l.Close() // Go's own descriptors are there now
	}
	open := len(lanetest.OpenFiles(t))
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := o.Listen(ctx, address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		targets := []string{l.Addr().String()}
		if address == ":0" {
			targets = []string{"127.0.0.1:" + port, "[::1]:" + port, "localhost:" + port}
		}
		for _, to := range targets {
			c, err := o.Dial(ctx, to)
			if err != nil {
				t.Errorf("%s: %v", to, err)
				continue
			}
			peer, err := l.Accept()
			if err == nil {
				_, err = c.Write([]byte("x"))
			}
			if err == nil {
				_, err = peer.Read(make([]byte, 1))
			}
			if err != nil {
				t.Error(err)
			}
			c.Close()
			peer.Close()
		}
		if _, err := o.Listen(ctx, l.Addr().String()); fail.KindOf(err) != fail.InUse {
			t.Errorf("%s once more: %v", address, err)
		}
		l.Close()
		if _, err := o.Dial(ctx, targets[0]); !errors.Is(err, unix.ECONNREFUSED) || reason(err) != "connection refused" && reason(err) != "connect: connection refused" {
			t.Errorf("%s, where nobody listens: %v", targets[0], err)
		}
	}
	for _, address := range []string{"", "x", "1.2.3.4", "localhost:0", "127.0.0.1:http", "127.0.0.1:70000", "[::1:0", ":"} {
		if _, err := o.Listen(ctx, address); fail.KindOf(err) != fail.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"", "x", "1.2.3.4", "127.0.0.1:x", "name.invalid:80", strings.Repeat("x", 300) + ":80"} {
		if _, err := o.Dial(ctx, address); err == nil {
			t.Errorf("%q is dialed", address)
		}
	}
	lanetest.WantOpen(t, open)
}

// Who does not answer is waited for as long as the context lasts, and each address of a
// host has a time of its own.
func TestDialGivesUp(t *testing.T) {
	o := originOf(t, self(t), "")
	full, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(full, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(full, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	at, err := unix.Getsockname(full)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(at.(*unix.SockaddrInet4).Port)).String()
	c, err := o.Dial(t.Context(), address) // it takes one that nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	open := len(lanetest.OpenFiles(t))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := o.Dial(ctx, address); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended: %v", err)
	}
	if _, err := o.dialFor(t.Context(), time.Millisecond, address); reason(err) != "the other end does not answer" {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := o.Dial(ctx, address); !errors.Is(err, context.Canceled) {
		t.Errorf("the context has ended: %v", err)
	}
	lanetest.WantOpen(t, open)
}

// Connections are made from the namespace of the cable, and ports below 1024 taken by
// who may.
func TestDialInNamespace(t *testing.T) {
	name, _ := nstest.New(t)
	o := originOf(t, self(t), name)
	if _, err := o.Dial(t.Context(), "192.0.2.1:9"); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("there is no way: %v", err)
	}
	if l, err := o.Listen(t.Context(), "0.0.0.0:80"); err != nil {
		t.Errorf("root listens: %v", err)
	} else {
		l.Close()
	}
	by := user(t)
	if _, err := originOf(t, by, "").Listen(t.Context(), "127.0.0.1:81"); fail.KindOf(err) != fail.Denied {
		t.Errorf("a user listens below 1024: %v", err)
	}
	by.Rights.Effective = 1 << unix.CAP_NET_BIND_SERVICE
	if l, err := originOf(t, by, "").Listen(t.Context(), "127.0.0.1:81"); err != nil {
		t.Errorf("a user who may listens: %v", err)
	} else {
		l.Close()
	}
}

func TestResolve(t *testing.T) {
	o := originOf(t, self(t), "")
	for host, want := range map[string]string{"10.0.0.1": "10.0.0.1", "fe80::1%lo": "fe80::1%lo", "::ffff:1.2.3.4": "::ffff:1.2.3.4"} {
		if list, err := o.Resolve(t.Context(), host); err != nil || len(list) != 1 || list[0].String() != want {
			t.Errorf("%s: %v, %v", host, list, err)
		}
	}
	list, err := o.Resolve(t.Context(), "localhost")
	if err != nil || len(list) == 0 || !list[0].IsLoopback() {
		t.Errorf("localhost: %v, %v", list, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if list, err := o.Resolve(ended, "name.invalid"); err == nil {
		t.Errorf("a name that cannot be: %v", list)
	}
}

func TestSockaddr(t *testing.T) {
	domain, addr := Sockaddr(netip.MustParseAddrPort("1.2.3.4:5"))
	if a, ok := addr.(*unix.SockaddrInet4); domain != unix.AF_INET || !ok || a.Port != 5 || a.Addr != [4]byte{1, 2, 3, 4} {
		t.Errorf("it is %d, %+v", domain, addr)
	}
	for zone, index := range map[string]uint32{"7": 7, "lo": 1, "none": 0} {
		domain, addr = Sockaddr(netip.MustParseAddrPort("[fe80::1%" + zone + "]:5"))
		if a, ok := addr.(*unix.SockaddrInet6); domain != unix.AF_INET6 || !ok || a.ZoneId != index {
			t.Errorf("zone %s: it is %d, %+v", zone, domain, addr)
		}
	}
}
