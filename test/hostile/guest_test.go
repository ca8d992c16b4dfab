package hostile

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Sizes of a guest: its rings, and where things lie in its memory.
const (
	guestRing   = 256
	guestMemory = 1 << 20
	guestPlaces = 64 << 10 // of frames
)

// guest is a virtual machine that connects to vhost: memory that it shares, with two
// rings in it.
type guest struct {
	fd     int
	memory []byte
	shared int // its descriptor
	kick   [2]int
	call   [2]int
}

// newGuest connects one, or returns nil if it is refused.
func newGuest(path string) *guest {
	fd, err := dial(unix.SOCK_STREAM, path)
	if err != nil {
		return nil
	}
	g := &guest{fd: fd}
	if g.shared, err = unix.MemfdCreate("guest", unix.MFD_CLOEXEC); err == nil {
		err = unix.Ftruncate(g.shared, guestMemory)
	}
	if err == nil {
		g.memory, err = unix.Mmap(g.shared, 0, guestMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	for i := range g.kick {
		for _, e := range []*int{&g.kick[i], &g.call[i]} {
			if err == nil {
				*e, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			}
		}
	}
	if err != nil {
		fail(err)
	}
	for i := range guestRing { // each descriptor is a frame to all of 60 bytes behind an empty header
		d := g.at(1, 0)[16*i:]
		binary.LittleEndian.PutUint64(d, guestPlaces)
		binary.LittleEndian.PutUint32(d[8:], 12+60)
		binary.LittleEndian.PutUint16(g.at(1, 1)[4+2*i:], uint16(i))
	}
	copy(g.memory[guestPlaces+12:], everybody+"\x02\x00\x00\x00\x00\x01\x08\x00")
	g.say(3, nil, -1)
	g.say(2, u64s(1<<32), -1)
	g.say(5, append(u32s(1, 0), u64s(0, guestMemory, 0, 0)...), g.shared)
	for ring := range uint32(2) {
		g.say(8, u32s(ring, guestRing), -1)
		g.say(10, u32s(ring, 0), -1)
		at := uint64(ring) << 15
		g.say(9, append(u32s(ring, 0), u64s(at, at+2<<12, at+1<<12, 0)...), -1)
		g.say(13, u64s(uint64(ring)), g.call[ring])
		g.start(ring)
	}
	return g
}

// at is a part of a ring: its descriptors (0), what is available (1), what was used (2).
func (g *guest) at(ring, part int) []byte { return g.memory[ring<<15+part<<12:] }

// start has a ring run, also one that is broken.
func (g *guest) start(ring uint32) { g.say(12, u64s(uint64(ring)), g.kick[ring]) }

// say sends a request, with a descriptor if that is not -1.
func (g *guest) say(request uint32, body []byte, fd int) {
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	_ = unix.Sendmsg(g.fd, append(u32s(request, 1, uint32(len(body))), body...), rights, nil, unix.MSG_NOSIGNAL)
}

func u32s(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func u64s(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// transmit makes all frames of the ring available again that were taken.
func (g *guest) transmit() {
	used := atomic.LoadUint32((*uint32)(unsafe.Pointer(&g.at(1, 2)[0])))
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&g.at(1, 1)[0])), (used>>16+guestRing)<<16)
	_, _ = unix.Write(g.kick[1], u64s(1))
}

// lie fills both rings with nonsense and has them run.
func (g *guest) lie() {
	for ring := range 2 {
		for part := range 2 {
			b := g.at(ring, part)[:4096]
			for i := 0; i < len(b); i += 8 {
				binary.LittleEndian.PutUint64(b[i:], rand.Uint64()>>(8*rand.N(8)))
			}
		}
		g.start(uint32(ring))
		_, _ = unix.Write(g.kick[ring], u64s(1))
	}
}

// onGuests are attacks by virtual machines.
var onGuests = []attack{
	{
		name:  "guests-flood", // as fast as memory can be read
		procs: 2,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("guest", a.index), "maxports 65536", "overflow drop-old")
			a.open(200, dir+"/port", unix.O_RDONLY|unix.O_NONBLOCK)
			a.guest = newGuest(dir + "/vhost")
		},
		step: func(a *attacker) { a.guest.transmit() },
		check: func(r *trial, m *harness.Mounted) {
			if n := m.Stats(r, "guest0")["frames"]; n < 1000 {
				r.Errorf("a guest brought only %d frames", n)
			}
		},
	},
	{
		name:  "guests-lie", // rings that are none, again and again
		procs: 2,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("lies", a.index))
			a.guest = newGuest(dir + "/vhost")
		},
		step: func(a *attacker) { a.guest.lie() },
		check: func(r *trial, m *harness.Mounted) {
			if text := harness.Get(r, m.Path("lies0", "errors")); !strings.Contains(text, " vhost: connect: ") {
				r.Errorf("errors tells of no broken ring: %s", text)
			}
		},
	},
}
