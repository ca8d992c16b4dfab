package vhost

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
)

// regionAt is the body's part of a region.
func regionAt(guest, size, user, offset uint64) []byte { return body(guest, size, user, offset) }

// What no front end says ends the connection, with a reason, and leaves nothing open.
func TestRefusals(t *testing.T) {
	one := func(region []byte) []byte { return append(body(uint32(1), uint32(0)), region...) }
	for what, c := range map[string]struct {
		say    func(t *testing.T, f *front)
		reason string
	}{
		"another version":    {func(_ *testing.T, f *front) { f.raw(body(uint32(1), uint32(2), uint32(0))) }, "version 2"},
		"a reply":            {func(_ *testing.T, f *front) { f.raw(body(uint32(1), uint32(5), uint32(0))) }, "a reply"},
		"a giant":            {func(_ *testing.T, f *front) { f.raw(body(uint32(1), uint32(1), ^uint32(0))) }, "bytes"},
		"no protocol at all": {func(_ *testing.T, f *front) { f.raw([]byte("GET / HTTP/1.1\r\n\r\n")) }, "version"},
		"descriptors for nobody": {func(t *testing.T, f *front) {
			f.raw(message32(1, version, nil), f.memfd, f.pipe, f.rx.kick)
		}, "3 descriptors"},
		"many descriptors": {func(_ *testing.T, f *front) {
			m := f.memfd
			f.raw(message32(5, version, f.table()), m, m, m, m, m, m, m, m, m)
		}, "9 descriptors"},
		"very many descriptors": {func(_ *testing.T, f *front) {
			f.raw(message32(5, version, f.table()), make([]int, 200)...)
		}, "descriptors"},
		"descriptors in a body": {func(_ *testing.T, f *front) {
			f.raw(body(uint32(2), uint32(1), uint32(8)), f.memfd)
			f.raw(make([]byte, 4), f.memfd)
			f.raw(make([]byte, 4), f.memfd)
		}, "3 descriptors"},
		"a short body":              {func(_ *testing.T, f *front) { f.raw(message32(2, version, make([]byte, 4))) }, "4 bytes"},
		"features":                  {func(_ *testing.T, f *front) { f.raw(message32(2, version, u64(1<<34))) }, "not offered"},
		"protocol features":         {func(_ *testing.T, f *front) { f.raw(message32(16, version, u64(1<<5))) }, "not offered"},
		"a ring that is none":       {func(_ *testing.T, f *front) { f.raw(message32(8, version, body(uint32(2), uint32(8)))) }, "no ring 2"},
		"a ring of 3":               {func(_ *testing.T, f *front) { f.raw(message32(8, version, body(uint32(1), uint32(3)))) }, "power of two"},
		"a ring of none":            {func(_ *testing.T, f *front) { f.raw(message32(8, version, body(uint32(1), uint32(0)))) }, "power of two"},
		"a giant ring":              {func(_ *testing.T, f *front) { f.raw(message32(8, version, body(uint32(1), uint32(1<<16)))) }, "power of two"},
		"a giant index":             {func(_ *testing.T, f *front) { f.raw(message32(10, version, body(uint32(1), uint32(1<<16)))) }, "16 bits"},
		"a kick by nothing":         {func(_ *testing.T, f *front) { f.raw(message32(12, version, u64(1<<8))) }, "polled"},
		"a kick by a pipe":          {func(t *testing.T, f *front) { f.raw(message32(12, version, u64(0)), f.pipe) }, "eventfd"},
		"a call by memory":          {func(_ *testing.T, f *front) { f.raw(message32(13, version, u64(0)), f.memfd) }, "eventfd"},
		"an error by a pipe":        {func(t *testing.T, f *front) { f.raw(message32(14, version, u64(0)), f.pipe) }, "eventfd"},
		"memory that is a pipe":     {func(t *testing.T, f *front) { f.raw(message32(5, version, f.table()), f.pipe) }, "memfd"},
		"memory that is an eventfd": {func(_ *testing.T, f *front) { f.raw(message32(5, version, f.table()), f.rx.kick) }, "memfd"},
		"memory of a disk": {func(t *testing.T, f *front) {
			file, err := os.Open(os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			f.raw(message32(5, version, f.table()), int(file.Fd()))
		}, "memfd"},
		"memory of which nothing may be written": {func(t *testing.T, f *front) {
			file, err := os.Open(filepath.Join("/proc/self/fd", strconv.Itoa(f.memfd)))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			f.raw(message32(5, version, f.table()), int(file.Fd()))
		}, "mapped"},
		"no memory":          {func(_ *testing.T, f *front) { f.raw(message32(5, version, body(uint64(0)))) }, "regions"},
		"memory of no bytes": {func(_ *testing.T, f *front) { f.raw(message32(5, version, nil)) }, "regions"},
		"less memory than there are descriptors": {func(_ *testing.T, f *front) {
			f.raw(message32(5, version, f.table()), f.memfd, f.memfd)
		}, "2 descriptors"},
		"memory behind the file": {func(_ *testing.T, f *front) {
			f.raw(message32(5, version, one(regionAt(0, memorySize, 0, 4096))), f.memfd)
		}, "within its file"},
		"memory far behind the file": {func(_ *testing.T, f *front) {
			f.raw(message32(5, version, one(regionAt(0, 4096, 0, ^uint64(0)-4095))), f.memfd)
		}, "within its file"},
		"memory at the end of addresses": {func(_ *testing.T, f *front) {
			f.raw(message32(5, version, one(regionAt(^uint64(0)-4095, 8192, 0, 0))), f.memfd)
		}, "is none"},
		"memory that overlaps": {func(_ *testing.T, f *front) {
			b := body(uint32(2), uint32(0))
			b = append(b, regionAt(0, 8192, 0, 0)...)
			b = append(b, regionAt(4096, 8192, 1<<40, 0)...)
			f.raw(message32(5, version, b), f.memfd, f.memfd)
		}, "overlap"},
		"a region without a descriptor": {func(_ *testing.T, f *front) { f.raw(message32(37, version, make([]byte, 40))) }, "one descriptor"},
		"an end of no region":           {func(_ *testing.T, f *front) { f.raw(message32(38, version, make([]byte, 40))) }, "no region"},
		"a ring elsewhere": {func(_ *testing.T, f *front) {
			f.start(usual)
			f.raw(message32(9, version, body(uint32(1), uint32(0), uint64(1), uint64(2), uint64(3), uint64(0))))
		}, "not in the memory"},
		"a ring at the end": {func(_ *testing.T, f *front) {
			f.start(usual)
			end := uint64(userBase + memorySize - 16)
			f.raw(message32(9, version, body(uint32(1), uint32(0), end, end, end, uint64(0))))
		}, "not in the memory"},
		"a ring that is not aligned": {func(_ *testing.T, f *front) {
			f.start(usual)
			at := uint64(userBase + 8)
			f.raw(message32(9, version, body(uint32(1), uint32(0), at, at, at, uint64(0))))
		}, "multiples"},
		"another size while it runs": {func(_ *testing.T, f *front) {
			f.start(usual)
			f.raw(message32(8, version, body(uint32(1), uint32(8))))
		}, "runs"},
		"no memory for a ring": {func(_ *testing.T, f *front) {
			f.start(usual)
			f.raw(message32(5, version, one(regionAt(0, 4096, 0, 0))), f.memfd)
		}, "not in the memory"},
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := newFront(t)
			f.makePipe()
			open := openFiles(t)
			f.visit(l.Net, both)
			c.say(t, f)
			if err := f.refusal(); err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("it is refused as %v, want %q", err, c.reason)
			}
			if n := len(l.Net.Ports()); n != 0 {
				t.Errorf("%d ports are left", n)
			}
			if mapped.bytes != 0 || mapped.slots != 0 {
				t.Errorf("%d bytes are mapped in %d places", mapped.bytes, mapped.slots)
			}
			lanetest.WantOpen(t, open-1) // its end of the connection
		})
	}
}

// Who hangs up leaves nothing, wherever he was.
func TestHangsUp(t *testing.T) {
	for what, say := range map[string]func(f *front){
		"at once":               func(*front) {},
		"within a header":       func(f *front) { f.raw(make([]byte, 5), f.memfd) },
		"within a body":         func(f *front) { f.raw(body(uint32(5), uint32(1), uint32(40)), f.memfd, f.memfd) },
		"with a question":       func(f *front) { f.ask(1, nil) },
		"half set up":           func(f *front) { f.ask(1, nil); f.say(5, f.table(), f.memfd) },
		"while he runs":         func(f *front) { f.start(usual) },
		"after what nobody did": func(f *front) { f.raw(message32(99, version, nil), f.memfd); f.ask(1, nil) },
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := newFront(t)
			open := openFiles(t)
			f.visit(l.Net, both)
			say(f)
			_ = unix.Shutdown(f.fd, unix.SHUT_RDWR)
			err := f.refusal()
			if joined := f.left.Load() == 1; joined != (err == nil) {
				t.Errorf("serve returned %v, and it left %d times", err, f.left.Load())
			}
			lanetest.WantOpen(t, open-1)
		})
	}
}

// What is not known is not done, and the connection goes on.
func TestUnknownRequests(t *testing.T) {
	l := lanetest.Hub(t)
	f := plug(t, l, usual)
	open := len(lanetest.OpenFiles(t))
	for _, request := range []uint32{0, 6, 7, 21, 24, 31, 39, 40, 41, 1 << 20, ^uint32(0)} {
		f.raw(message32(request, version, make([]byte, 16)), f.memfd)
		f.raw(message32(request, version|flagNeedAck, make([]byte, 16)), f.memfd)
		if n := f.answer(request); n == 0 {
			t.Errorf("request %d is served", request)
		}
	}
	if n := f.ask(17, nil); n != 1 {
		t.Errorf("%d pairs of rings", n)
	}
	if n := f.ask(36, nil); n != maxSlots {
		t.Errorf("%d slots", n)
	}
	f.say(19, u64(0))
	f.say(3, nil)
	f.say(16, u64(f.ask(15, nil)))
	f.say(20, u64(uint64(l.Net.MTU()-18)))
	f.raw(message32(20, version|flagNeedAck, u64(uint64(l.Net.MTU()-17))))
	if n := f.answer(20); n == 0 {
		t.Error("an mtu was taken that is too long")
	}
	lanetest.WantOpen(t, open)
}

// A ring that cannot be breaks, and nothing else: the other ring and other ports go
// on, the front end is told, and it may start the ring again.
func TestBrokenRings(t *testing.T) {
	place := func(f *front) uint64 { return uint64(guestBase + f.tx.slot(0)) }
	for what, c := range map[string]struct {
		rx bool
		do func(f *front, r *guestRing)
	}{
		"an index far ahead":  {do: func(_ *front, r *guestRing) { r.avail += uint16(r.size); r.offer(0) }},
		"a head that is none": {do: func(_ *front, r *guestRing) { r.offer(uint16(r.size)) }},
		"a next that is none": {do: func(f *front, r *guestRing) {
			r.desc(0, place(f), 10, descNext, 0xffff)
			r.offer(0)
		}},
		"a loop": {do: func(f *front, r *guestRing) {
			r.desc(0, place(f), 1, descNext, 1)
			r.desc(1, place(f), 1, descNext, 0)
			r.offer(0)
		}},
		"no bytes": {do: func(f *front, r *guestRing) {
			r.desc(0, place(f), 0, descNext, 1)
			r.desc(1, place(f), 100, 0, 0)
			r.offer(0)
		}},
		"an address that is none": {do: func(_ *front, r *guestRing) { r.desc(0, 5, 100, 0, 0); r.offer(0) }},
		"an end that is none": {do: func(_ *front, r *guestRing) {
			r.desc(0, guestBase+memorySize-10, 100, 0, 0)
			r.offer(0)
		}},
		"an address that wraps": {do: func(_ *front, r *guestRing) {
			r.desc(0, ^uint64(0)-10, ^uint32(0), 0, 0)
			r.offer(0)
		}},
		"to be written": {do: func(f *front, r *guestRing) { r.desc(0, place(f), 100, descWrite, 0); r.offer(0) }},
		"an indirect table in one": {do: func(f *front, r *guestRing) {
			*(*descriptor)(f.at(f.tx.slot(9))) = descriptor{uint64(guestBase + f.tx.slot(9)), 16, descIndirect, 0}
			r.desc(0, uint64(guestBase+f.tx.slot(9)), 16, descIndirect, 0)
			r.offer(0)
		}},
		"an odd indirect table":       {do: func(f *front, r *guestRing) { r.desc(0, place(f), 17, descIndirect, 0); r.offer(0) }},
		"an empty indirect table":     {do: func(f *front, r *guestRing) { r.desc(0, place(f), 0, descIndirect, 0); r.offer(0) }},
		"an indirect table elsewhere": {do: func(_ *front, r *guestRing) { r.desc(0, 5, 16, descIndirect, 0); r.offer(0) }},
		"a giant indirect table":      {do: func(f *front, r *guestRing) { r.desc(0, place(f), 1<<20, descIndirect, 0); r.offer(0) }},
		"an indirect table with more": {do: func(f *front, r *guestRing) {
			r.desc(0, place(f), 16, descIndirect|descNext, 1)
			r.offer(0)
		}},
		"memory that has gone": {do: func(f *front, r *guestRing) {
			r.desc(0, uint64(guestBase+memorySize-4096), 100, 0, 0)
			if err := unix.Ftruncate(f.memfd, memorySize-4096); err != nil {
				f.tb.Fatal(err)
			}
			r.offer(0)
		}},

		"rx: an index far ahead":      {true, func(_ *front, r *guestRing) { r.avail += uint16(r.size); r.offer(0) }},
		"rx: a head that is none":     {true, func(_ *front, r *guestRing) { r.offer(uint16(r.size)) }},
		"rx: to be read":              {true, func(f *front, r *guestRing) { r.desc(0, place(f), 2000, 0, 0); r.offer(0) }},
		"rx: no bytes":                {true, func(f *front, r *guestRing) { r.desc(0, place(f), 0, descWrite, 0); r.offer(0) }},
		"rx: an address that is none": {true, func(_ *front, r *guestRing) { r.desc(0, 5, 2000, descWrite, 0); r.offer(0) }},
		"rx: memory that has gone": {true, func(f *front, r *guestRing) {
			r.desc(0, uint64(guestBase+memorySize-4096), 2000, descWrite, 0)
			if err := unix.Ftruncate(f.memfd, memorySize-4096); err != nil {
				f.tb.Fatal(err)
			}
			r.offer(0)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := plug(t, l, usual)
			rec := &bustest.Recorder{}
			other := l.Join(t, rec)
			wrong, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(wrong)
			r := &f.tx
			if c.rx {
				r = &f.rx
				r.stop()
				f.say(8, body(uint32(rxQueue), uint32(r.size)))
				clear(f.memory[r.at : r.at+ringSpace])
				r.avail, r.used = 0, 0
				f.say(12, u64(rxQueue), r.kick)
			}
			f.say(14, u64(uint64(r.index)), wrong)
			c.do(f, r)
			r.kickNow()
			if c.rx {
				bustest.Send(other, lanetest.Frame(1, 0))
			}
			bustest.WaitFor(t, "the front end to be told", func() bool {
				var b [8]byte
				n, _ := unix.Read(wrong, b[:])
				return n == 8
			})
			bustest.WaitFor(t, "the error to be told", func() bool { return f.told.Load() != nil })
			if n := l.Net.Stats().Frames; !c.rx && n != 0 {
				t.Errorf("%d frames came of it", n)
			}
			// Nobody else is the worse for it.
			want := 0
			if c.rx {
				bustest.Send(other, lanetest.Frame(1, 1)) // lost
				f.transmitAll(marked(lanetest.Frame(2, 0)))
				want++
				bustest.WaitFor(t, "a frame of the other ring", func() bool { return len(rec.Frames()) == want })
			} else {
				bustest.Send(other, lanetest.Frame(1, 0))
				bustest.WaitFor(t, "a frame in the other ring", func() bool { return len(f.frames()) == 1 })
			}
			if err := unix.Ftruncate(f.memfd, memorySize); err != nil {
				t.Fatal(err)
			}
			r.stop()
			r.start()
			if c.rx {
				bustest.Send(other, lanetest.Frame(1, 2))
				bustest.WaitFor(t, "a frame after it", func() bool { return len(f.frames()) == 1 })
			} else {
				f.transmitAll(marked(lanetest.Frame(2, 0)))
				bustest.WaitFor(t, "a frame after it", func() bool { return len(rec.Frames()) == 1 })
			}
		})
	}
}

// What is no frame is dropped, and counted, and the next one comes.
func TestMalformed(t *testing.T) {
	l := lanetest.Hub(t)
	f := plug(t, l, usual)
	rec := &bustest.Recorder{}
	l.Join(t, rec)
	port := l.Net.Port(l.Net.Ports()[0])
	short := make([]byte, 23)
	bad := [][]byte{short, marked(make([]byte, 13)), marked(lanetest.Frame(1, 0))}
	bad[2][1] = 77 // gso_type
	for _, raw := range bad {
		f.transmitAll(raw)
	}
	// One that is longer than there is room for, of which the memory is there.
	r := &f.tx
	for i := range 20 {
		r.desc(100+i, guestBase, 1<<15, descNext, uint16(101+i))
	}
	r.desc(120, guestBase, 1<<15, 0, 0)
	was := r.avail
	r.offer(100)
	r.notify(was)
	f.transmitAll(marked(lanetest.Frame(1, 1)))
	bustest.WaitFor(t, "a good one", func() bool { return len(rec.Frames()) == 1 })
	if n := lanetest.Count(port, "drop_malformed"); n != 4 {
		t.Errorf("%d are malformed", n)
	}
	if n := port.Stats().Frames; n != 5 {
		t.Errorf("%d frames are counted", n)
	}
}

// Chains of many pieces, tables of descriptors and memory in several regions are
// one frame.
func TestChains(t *testing.T) {
	l := lanetest.Hub(t)
	f := newFront(t)
	f.visit(l.Net, both)
	defer f.hangUp()
	f.start(usual)
	half := uint64(memorySize / 2)
	f.say(5, append(append(body(uint32(2), uint32(0)),
		regionAt(guestBase, half, userBase, 0)...),
		regionAt(guestBase+half, half, userBase+half, half)...), f.memfd, f.memfd)
	rec := &bustest.Recorder{}
	c := l.Join(t, rec)
	raw := append(marked(nil), append([]byte{9, 9}, lanetest.Frame(1, 7)...)...)
	at := memorySize/2 - 20 // over the border
	copy(f.memory[at:], raw)

	pieces := func(desc func(i int, d descriptor)) (n int) {
		for used := 0; used < len(raw); n++ {
			size := min(1+n*7, len(raw)-used)
			d := descriptor{uint64(guestBase + at + used), uint32(size), descNext, uint16(n + 1)}
			if used += size; used == len(raw) {
				d.flags = 0
			}
			desc(n, d)
		}
		return n
	}
	r := &f.tx
	pieces(func(i int, d descriptor) { r.desc(i, d.addr, d.len, d.flags, d.next) })
	r.offer(0)
	r.kickNow()
	bustest.WaitFor(t, "a frame in pieces", func() bool { return len(rec.Frames()) == 1 })
	table := 4 << 20
	n := pieces(func(i int, d descriptor) { *(*descriptor)(f.at(table + 16*i)) = d })
	r.desc(0, uint64(guestBase+table), uint32(16*n), descIndirect, 0)
	r.offer(0)
	r.kickNow()
	bustest.WaitFor(t, "a frame by a table", func() bool { return len(rec.Frames()) == 2 })
	for _, got := range rec.Frames() {
		if string(got) != string(lanetest.Frame(1, 7)) {
			t.Error("the frame is another")
		}
	}
	// To the guest: buffers of 50 bytes.
	rx := &f.rx
	rx.stop()
	clear(f.memory[rx.at : rx.at+ringSpace])
	rx.avail, rx.used = 0, 0
	f.say(12, u64(rxQueue), rx.kick)
	for i := range rx.size {
		rx.desc(i, uint64(guestBase+rx.slot(i)), 50, descWrite, 0)
		rx.offer(uint16(i))
	}
	rx.kickNow()
	bustest.Send(c, lanetest.Frame(1, 7))
	bustest.WaitFor(t, "a frame in many buffers", func() bool { return len(f.frames()) == 1 })
	if string(f.frames()[0]) != string(lanetest.Frame(1, 7)) {
		t.Error("the frame is another")
	}
}

// A frame for which the guest never has room does not keep others waiting.
func TestTooLong(t *testing.T) {
	l := lanetest.Hub(t)
	small, plain := plugWith(t, l, usual, 4, 1000), plug(t, l, featVersion1)
	c := l.Join(t, &bustest.Recorder{})
	long := append(bustest.EthernetHeader(1), make([]byte, 9000)...)
	for i := range 3 {
		bustest.Send(c, long)
		bustest.Send(c, lanetest.Frame(1, i))
		for _, f := range []*front{small, plain} {
			bustest.WaitFor(t, "the next frame", func() bool { return len(f.frames()) == i+1 })
		}
	}
}

// All memory may go while the rings run: both break, others do not notice, and when
// it is there again they can be started.
func TestMemoryGone(t *testing.T) {
	l := lanetest.Hub(t)
	f := plug(t, l, usual)
	rec := &bustest.Recorder{}
	other := l.Join(t, rec)
	f.transmitAll(marked(lanetest.Frame(1, 0)))
	bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 })
	if err := unix.Ftruncate(f.memfd, 0); err != nil {
		t.Fatal(err)
	}
	f.tx.kickNow()
	for i := range 50 {
		bustest.Send(other, lanetest.Frame(2, i))
	}
	port := l.Net.Port(l.Net.Ports()[0])
	bustest.WaitFor(t, "frames to be lost", func() bool { return lanetest.Count(port, "drop_device") == 50 })
	f.tx.stop()
	f.rx.stop()
	if err := unix.Ftruncate(f.memfd, memorySize); err != nil {
		t.Fatal(err)
	}
	f.rx.start()
	f.tx.start()
	f.transmitAll(marked(lanetest.Frame(1, 1)))
	bustest.Send(other, lanetest.Frame(2, 0))
	bustest.WaitFor(t, "frames after it", func() bool { return len(rec.Frames()) == 2 && len(f.frames()) == 1 })
}
