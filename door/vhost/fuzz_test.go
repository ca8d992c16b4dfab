package vhost

import (
	"encoding/binary"
	"io"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
)

// FuzzReader reads any bytes, of which some come with descriptors: all that were
// received are closed, and what is a message is within its limits.
func FuzzReader(f *testing.F) {
	openFiles(f) // no lane of an earlier test closes any later
	front := newFront(f)
	f.Add(message32(5, version, front.table()), byte(1), byte(0))
	f.Add(append(message32(1, version, nil), message32(3, version, nil)...), byte(0), byte(5))
	f.Add(message32(2, version|flagNeedAck, u64(1)), byte(9), byte(14))
	f.Add(body(uint32(1), uint32(1), ^uint32(0)), byte(3), byte(12))
	f.Fuzz(func(t *testing.T, data []byte, fds, cut byte) {
		open := len(lanetest.OpenFiles(t))
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		list := make([]int, fds%16)
		for i := range list {
			list[i] = front.memfd
		}
		at := min(int(cut), len(data))
		_ = unix.Sendmsg(p[1], data[:at], nil, nil, unix.MSG_NOSIGNAL)
		_ = unix.Sendmsg(p[1], data[at:], unix.UnixRights(list...), nil, unix.MSG_NOSIGNAL)
		unix.Close(p[1])
		conn := os.NewFile(uintptr(p[0]), kind)
		r, err := newReader(conn)
		if err != nil {
			t.Fatal(err)
		}
		for {
			m, err := r.next()
			if err != nil {
				if err == io.EOF && r.n >= headerLen+maxBody {
					t.Errorf("%d bytes are kept", r.n)
				}
				break
			}
			if len(m.body) > maxBody || len(m.fds) > maxRegions {
				t.Errorf("a message has %d bytes and %d descriptors", len(m.body), len(m.fds))
			}
			m.close()
		}
		r.close()
		conn.Close()
		lanetest.WantOpen(t, open)
	})
}

// FuzzRequests serves any requests, one after the other, with descriptors of all
// kinds: each is a request, what it comes with, and its body.
func FuzzRequests(f *testing.F) {
	openFiles(f)
	front := newFront(f)
	front.makePipe()
	d, err := newDevice(front.file())
	if err != nil {
		f.Fatal(err)
	}
	d.mtu = func() int { return 1514 }
	f.Cleanup(d.close)
	request := func(number, fds byte, b []byte) []byte {
		return append([]byte{number, fds, byte(len(b)), byte(len(b) >> 8)}, b...)
	}
	var all []byte
	for _, r := range []*guestRing{&front.rx, &front.tx} {
		i := uint32(r.index)
		all = append(all, request(8, 0, body(i, uint32(r.size)))...)
		all = append(all, request(10, 0, body(i, uint32(7)))...)
		all = append(all, request(9, 0, r.addresses())...)
		all = append(all, request(13, 2, u64(uint64(i)))...)
		all = append(all, request(14, 2, u64(uint64(i)))...)
		all = append(all, request(12, 2, u64(uint64(i)))...)
		all = append(all, request(18, 0, body(i, uint32(1)))...)
		all = append(all, request(11, 0, body(i, uint32(1)))...)
	}
	memory := request(5, 1, front.table())
	f.Add(slices.Concat(memory, all))
	f.Add(slices.Concat(all, memory))
	f.Add(slices.Concat(memory, all, memory))
	more := body(uint64(0), uint64(5), uint64(1<<20), uint64(5), uint64(4096))
	f.Add(append(append(request(37, 1, more), request(38, 0, more)...), request(34, 0, nil)...))
	f.Add(request(2, 0, u64(usual)))
	f.Fuzz(func(t *testing.T, data []byte) {
		open := len(lanetest.OpenFiles(t))
		for len(data) >= 4 {
			n := min(int(binary.LittleEndian.Uint16(data[2:])), maxBody, len(data)-4)
			m := &message{request: uint32(data[0]), needAck: data[1]&128 != 0, body: data[4 : 4+n]}
			for kinds := data[1] & 127; kinds > 0; kinds /= 4 {
				fd := [4]int{0, front.memfd, front.rx.kick, front.pipe}[kinds%4]
				if fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
					m.fds = append(m.fds, fd)
				}
			}
			_, _ = d.serve(m)
			m.close()
			data = data[4+n:]
		}
		// Back to the beginning.
		_ = d.change(func(r *ring) error {
			r.stop()
			r.features, r.enabled, r.size, r.at, r.table = 0, false, 0, addresses{}, nil
			_ = r.kick.set(-1)
			r.call.set(-1)
			r.err.set(-1)
			return nil
		})
		d.table.unmap(nil)
		d.table = &table{}
		lanetest.WantOpen(t, open)
		if mapped.bytes != 0 || mapped.slots != 0 {
			t.Errorf("%d bytes are mapped in %d places", mapped.bytes, mapped.slots)
		}
	})
}

// FuzzRings has a guest that writes anything to its rings: frames come or do not, and
// nothing else happens. The guest starts anew each time.
func FuzzRings(f *testing.F) {
	l := lanetest.Hub(f)
	guest := plugWith(f, l, usual, 16, 512)
	other := l.JoinAs(f, &bustest.Recorder{}, bus.JoinOptions{Recv: true, Send: true})
	const space = 2 << 10 // of what is fuzzed of a ring
	seed := func(list ...descriptor) (b []byte) {
		for _, d := range list {
			b = append(b, body(d.addr, d.len, d.flags, d.next)...)
		}
		return b
	}
	place := uint64(guestBase + placesAt)
	for _, features := range []uint64{usual, 0} {
		f.Add(features, uint16(1), []byte{0, 0}, seed(descriptor{place, 100, 0, 0}))
		f.Add(features, uint16(1), []byte{0, 0}, seed(descriptor{place, 100, descWrite, 0}))
		f.Add(features, uint16(3), []byte{0, 0, 1, 0, 2, 0}, seed(descriptor{place, 5, descNext, 1}, descriptor{place, 100, descNext, 0}))
		f.Add(features, uint16(1), []byte{0, 0}, seed(descriptor{guestBase, 32, descIndirect, 0}, descriptor{place, 100, 0, 0}))
		f.Add(features, uint16(100), []byte{0, 0}, seed())
	}
	f.Fuzz(func(t *testing.T, features uint64, avail uint16, heads, descriptors []byte) {
		guest.tb = t
		defer func() { guest.tb = f }()
		features &= offeredFeatures
		guest.say(2, u64(features|featProtocol))
		guest.features = features
		for _, r := range []*guestRing{&guest.rx, &guest.tx} {
			r.stop()
			clear(guest.memory[r.at : r.at+space])
			clear(guest.memory[r.at+availAt : r.at+availAt+space])
			clear(guest.memory[r.at+usedAt : r.at+usedAt+space])
			guest.say(12, u64(uint64(r.index)), r.kick)
			copy(guest.memory[r.at:r.at+space], descriptors)
			copy(guest.memory[r.at+availAt+4:r.at+availAt+space], heads)
			*r.word(availAt) = uint32(avail) << 16
			r.kickNow()
		}
		for i := range 20 {
			bustest.Send(other, lanetest.Frame(1, i))
		}
		bustest.Send(other, make([]byte, 9000))
		for _, r := range []*guestRing{&guest.rx, &guest.tx} {
			if used := r.usedIndex(); used > avail {
				t.Errorf("%d chains are used, and %d were there", used, avail)
			}
		}
	})
}
