package tls

import (
	"crypto/tls"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/stream"
)

// What a connection by TLS carries by itself, in pieces of 64 KiB.
func BenchmarkBare(b *testing.B) {
	file, _ := newKey(b, "a")
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	c := config(parse(b, text))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		defer raw.Close()
		conn, buf := tls.Server(raw, c), make([]byte, 64<<10)
		for got := 0; got < b.N*len(buf); {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			got += n
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	<-done
}

// What a cable carries, from a stream at one network to a port at the other.
func BenchmarkCable(b *testing.B) {
	for name, size := range map[string]int{"1500": 1514, "60000": 60000} {
		b.Run(name, func(b *testing.B) {
			x, y, addr := newMember(b, "a"), newMember(b, "b"), freeAddr(b)
			x.conn.Close()
			y.conn.Close()
			for _, m := range []*member{x, y} {
				if err := m.Net.Change(func(s *bus.Settings) { s.Overflow = bus.BlockSender }); err != nil {
					b.Fatal(err)
				}
			}
			y.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, y.file, x.pin)
			x.lay("c", "tls://%s?cert=%s&pin=%s", addr, x.file, y.pin)
			x.await("c", "state=up")
			y.await("c", "state=up")
			far, near := lanetest.NewPeer(b, frame.Length4)
			d := stream.New(stream.Config{Form: frame.Length4, In: near, Out: near, Net: x.Net})
			e, err := lane.Start(x.Net, lane.Config{Sources: []lane.Source{d.Source()}}, bus.JoinOptions{Send: true})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var ports []*bus.Port
			for i := range 10 {
				if p := y.Net.Port(i); p != nil {
					ports = append(ports, p)
				}
			}
			b.SetBytes(int64(size))
			f := far.Wire(bustest.Mark(bustest.EthernetHeader(1), 1, 1, size))
			piece := f
			for len(piece) < 100000 {
				piece = append(piece, f...)
			}
			_ = unix.SetNonblock(far.Out, false)
			b.ResetTimer()
			for left, at := b.N*len(f), 0; left > 0; {
				n, err := unix.Write(far.Out, piece[at:min(at+left, len(piece))])
				if err != nil && err != unix.EINTR {
					b.Fatal(err)
				}
				n = max(n, 0)
				left, at = left-n, (at+n)%len(piece)
			}
			for _, p := range ports {
				lanetest.AwaitFrames(p, uint64(b.N))
			}
		})
	}
}
