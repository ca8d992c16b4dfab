package vnet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/vnet"
)

// What Append makes of frames is what Linux makes of them, for frames that
// two hosts have exchanged over taps, and for all shapes.
func TestAppendIsTheKernels(t *testing.T) {
	k := newKernel(t)
	for name, p := range shapes {
		h, frame := p.build()
		compare(t, k, name, h, frame)
	}
	for _, c := range zeros {
		h, frame := zeroed(t, c.p)
		compare(t, k, fmt.Sprintf("checksum of 0, %+v", c.p), h, frame)
	}
	captured := exchange(t)
	kinds := map[string]int{}
	for i, c := range captured {
		if err := vnet.Check(c.h, c.frame); err != nil {
			t.Fatalf("a header of the kernel's, %+v, is refused: %v", c.h, err)
		}
		kind := c.kind()
		if kinds[kind]++; kinds[kind] > 50 {
			continue
		}
		what := fmt.Sprintf("frame %d, %s", i, kind)
		compare(t, k, what, c.h, c.frame)
		for _, tags := range [][]uint16{{cvlan}, {svlan, cvlan}} {
			h, frame := tagged(c.h, c.frame, tags...)
			compare(t, k, fmt.Sprintf("%s, tags %x", what, tags), h, frame)
		}
	}
	for _, kind := range []string{"TCP4", "TCP6", "UDP4", "UDP6", "one of IPv4", "one of IPv6"} {
		if kinds[kind] == 0 {
			t.Errorf("the hosts have exchanged no %s, but %v", kind, kinds)
		}
	}
}

// compare reports where Append and the kernel differ.
func compare(t *testing.T, k *kernel, what string, h vnet.Header, frame []byte) {
	t.Helper()
	want, err := k.finish(t, h, frame)
	if err != nil {
		t.Errorf("%s: the kernel refuses %+v: %v", what, h, err)
		return
	}
	got, err := finish(h, frame)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if len(got) != len(want) {
		t.Errorf("%s, %+v: %d frames, the kernel makes %d", what, h, len(got), len(want))
		return
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			n := min(len(got[i]), len(want[i]), 100)
			t.Errorf("%s, %+v: frame %d of %d is\n% x, the kernel makes\n% x", what, h, i, len(got), got[i][:n], want[i][:n])
			return
		}
	}
}

// captured is a frame as a tap gave it.
type captured struct {
	h     vnet.Header
	frame []byte
}

func (c captured) kind() string {
	version := c.frame[14] >> 4
	switch {
	case c.h.Plain():
		return "finished"
	case c.h.GSOType == vnet.None:
		return fmt.Sprintf("one of IPv%d", version)
	case c.h.GSOType == vnet.UDPL4:
		return fmt.Sprintf("UDP%d", version)
	}
	return fmt.Sprintf("TCP%d", version)
}

// exchange lets two hosts exchange TCP and UDP over taps that are joined by a
// wire, super-frames as they are, and returns what passed there.
func exchange(t *testing.T) []captured {
	t.Helper()
	const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6
	a, b := newHost(t), newHost(t)
	tapA, _ := a.tap(t, "vnet-a", offloads, "10.77.0.1/24", "fd77::1/64")
	tapB, _ := b.tap(t, "vnet-b", offloads, "10.77.0.2/24", "fd77::2/64")

	var mu sync.Mutex
	var all []captured
	var wires sync.WaitGroup
	wire := func(from, to *os.File) {
		buf := make([]byte, 1<<17)
		for {
			n, err := from.Read(buf)
			if errors.Is(err, os.ErrClosed) {
				return
			} else if err != nil {
				t.Errorf("reading a tap: %v", err)
				return
			}
			mu.Lock()
			all = append(all, captured{vnet.Parse(buf), bytes.Clone(buf[vnet.HeaderLen:n])})
			mu.Unlock()
			if _, err := to.Write(buf[:n]); err != nil && !errors.Is(err, os.ErrClosed) {
				t.Errorf("a tap refuses what another gave: %v", err)
			}
		}
	}
	wires.Go(func() { wire(tapA, tapB) })
	wires.Go(func() { wire(tapB, tapA) })
	for own, other := range map[string]string{"10.77.0.1": "10.77.0.2", "fd77::1": "fd77::2"} {
		sendTCP(t, a, b, other)
		sendUDP(t, a, b, own, other)
	}
	tapA.Close()
	tapB.Close()
	wires.Wait()
	return all
}

// sendTCP carries 4 MiB from a to an address of b.
func sendTCP(t *testing.T, a, b *host, address string) {
	t.Helper()
	var l net.Listener
	b.do(t, func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(address, "5201")); return err })
	defer l.Close()
	sent := data(4 << 20)
	result := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			result <- err
			return
		}
		defer conn.Close()
		got, err := io.ReadAll(conn)
		if err == nil && !bytes.Equal(got, sent) {
			err = fmt.Errorf("TCP to %s: what came is not what was sent", address)
		}
		result <- err
	}()
	a.do(t, func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(sent)
		return err
	})
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// sendUDP sends b datagrams, alone and by UDP_SEGMENT, and waits for them.
func sendUDP(t *testing.T, a, b *host, own, address string) {
	t.Helper()
	const size = 1001
	var in, out net.PacketConn
	b.do(t, func() (err error) { in, err = net.ListenPacket("udp", net.JoinHostPort(address, "5202")); return err })
	defer in.Close()
	a.do(t, func() (err error) { out, err = net.ListenPacket("udp", net.JoinHostPort(own, "0")); return err })
	defer out.Close()
	buf := make([]byte, 1<<16)
	send := func(b []byte) {
		if _, err := out.WriteTo(b, in.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < len(b); {
			n, _, err := in.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf[:n], b[got:][:n]) {
				t.Fatalf("UDP to %s: what came is not what was sent", address)
			}
			got += n
		}
	}
	for n := range 50 {
		send(data(n))
	}
	raw, err := out.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	for n := range 50 {
		send(data(2*size + n*n*10))
	}
}
