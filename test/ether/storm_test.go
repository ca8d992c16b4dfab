package ether

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Storm control counts frames as they are on a wire: a program that sends
// datagrams by the score in one call (UDP_SEGMENT, udp(7)) gets no more of them
// through than others do.
func TestStormCountsSegments(t *testing.T) { overWires(t, testStormCountsSegments) }

func testStormCountsSegments(t *testing.T, l *lab) {
	harness.NeedProgram(t, "ping")
	const rate, segment, score = 10, 100, 50
	p := pair{newHost(t), newHost(t)}
	for i, h := range []*host{p.a, p.b} {
		h.join(l, "eth0")
		h.address(i+1, 1500)
	}
	if got := ping("10.0.0.2", "56")(p, 1500); got != "answered" { // they know each other's address now
		t.Fatalf("ping: %s", got)
	}
	server := p.b.listenUDP("udp4", "0.0.0.0")
	port := server.LocalAddr().(*net.UDPAddr).Port
	var came atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 1<<16); ; {
			n, _, err := server.ReadFrom(buf)
			if err != nil || n == 1 {
				return
			}
			came.Add(1)
		}
	}()
	var storm net.Conn
	p.a.In(func() (err error) {
		d := net.Dialer{ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) (err error) {
			ctlErr := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, segment)
			})
			return errors.Join(ctlErr, err)
		}}
		storm, err = d.Dial("udp4", (&net.UDPAddr{IP: net.IPv4(10, 0, 0, 255), Port: port}).String())
		return err
	})
	defer storm.Close()

	begin := time.Now()
	l.setPort(1, "storm=broadcast=10")
	data := make([]byte, segment*score)
	harness.Eventually(t, "some seconds' worth of datagrams to come", func() bool {
		if _, err := storm.Write(data); err != nil {
			t.Fatal(err)
		}
		return came.Load() > 3*rate
	})
	l.setPort(1, "storm=off")
	seconds := int64(time.Since(begin)/time.Second) + 1
	last, err := p.a.dial("udp4", (&net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: port}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if _, err := last.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	<-done // all that was sent before has come
	if n := came.Load(); n > rate*(seconds+1) {
		t.Errorf("%d datagrams came in %d seconds, at a rate of %d", n, seconds, rate)
	}
	if harness.ReadStats(t, l.Path(lan, "ports", "1", "stats"))["drop_storm"] == 0 {
		t.Error("nothing was counted as drop_storm")
	}
}
