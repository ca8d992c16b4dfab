package fs

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/fs/devfuse"
)

// Zero allocations per frame, from the FUSE WRITE to the answered FUSE READ.

// way is one way of a frame: what is opened, and what is done with it.
type way struct {
	name     string
	from, to string
	overflow string
	run      func(w, r devfuse.Handle, reply devfuse.Reply)
}

var (
	oneFrame   = []byte("a frame of some 60 bytes, as the smallest of ethernet would be")
	manyFrames = bustest.Stream(oneFrame, oneFrame, oneFrame, oneFrame, oneFrame, oneFrame, oneFrame, oneFrame)
	largeFrame = make([]byte, 9000)
	fewLarge   = bustest.Stream(largeFrame, largeFrame, largeFrame)
)

func bring(data ...[]byte) func(w devfuse.Handle, reply devfuse.Reply) {
	return func(w devfuse.Handle, reply devfuse.Reply) {
		for _, d := range data {
			w.Write(reply, d, 0, false)
		}
	}
}

// before: the reads wait when the frames come; after: the frames are queued.
func before(reads int, write func(devfuse.Handle, devfuse.Reply)) func(w, r devfuse.Handle, reply devfuse.Reply) {
	return func(w, r devfuse.Handle, reply devfuse.Reply) {
		for range reads {
			r.Read(reply, 65536, false)
		}
		write(w, reply)
	}
}

func after(reads, size int, write func(devfuse.Handle, devfuse.Reply)) func(w, r devfuse.Handle, reply devfuse.Reply) {
	return func(w, r devfuse.Handle, reply devfuse.Reply) {
		write(w, reply)
		for range reads {
			r.Read(reply, size, true)
		}
	}
}

var ways = []way{
	{"port to a port that waits", "lan/port", "lan/port", "drop-new", before(1, bring(oneFrame))},
	{"port to several reads that wait", "lan/port", "lan/port", "drop-new", before(3, bring(oneFrame, oneFrame, largeFrame))},
	{"port, queued, to port", "lan/port", "lan/port", "drop-new", after(3, 65536, bring(oneFrame, oneFrame, largeFrame))},
	{"port to a full queue", "lan/port", "lan/port", "drop-old", after(0, 0, bring(oneFrame, largeFrame))},
	{"port to port, blocking", "lan/port", "lan/port", "block", after(2, 65536, bring(oneFrame, oneFrame))},
	{"stream to a stream that waits", "lan/stream", "lan/stream", "drop-new", before(1, bring(manyFrames))},
	{"stream, queued, to stream", "lan/stream", "lan/stream", "drop-new", after(2, 65536, bring(manyFrames, fewLarge))},
	{"stream, queued, to small reads", "lan/stream", "lan/stream", "drop-new", after(4, 200, bring(manyFrames))},
	{"stream to a port that waits", "lan/stream", "lan/port", "drop-new", before(8, bring(manyFrames))},
	{"port to a stream that waits", "lan/port", "lan/stream", "drop-new", before(1, bring(oneFrame))},
	{"port, queued, to stream", "lan/port", "lan/stream", "drop-new", after(1, 65536, bring(oneFrame, oneFrame, largeFrame))},
	{"nobody there", "lan/port", "", "drop-new", after(0, 0, bring(oneFrame))},
}

func TestFramesAllocateNothing(t *testing.T) {
	for _, p := range ways {
		m := newMemory(t, testOptions())
		ok(t, "mkdir", m.mkdir("lan", 0o755))
		ok(t, "queue", m.write("lan/queue", "64"))
		ok(t, "overflow", m.write("lan/overflow", p.overflow))
		open := func(path string) devfuse.Handle {
			if path == "" {
				return nil
			}
			fh, status := m.open(path, unix.O_RDWR)
			ok(t, "open", status)
			return m.dev.Handle(fh)
		}
		w, r := open(p.from), open(p.to)
		reply := m.dev.Reply(2)
		for range 100 { // until all that is reused has grown
			p.run(w, r, reply)
		}
		if raceEnabled { // sync.Pool then forgets at random, on purpose
			continue
		}
		if n := testing.AllocsPerRun(200, func() { p.run(w, r, reply) }); n != 0 {
			t.Errorf("%s: %v allocations", p.name, n)
		}
		if err := bustest.CheckBalance(m.bus.Network("lan").Stats()); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// The same through the device's loop: requests in, answers out.
func TestServedFramesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	for name, frames := range map[string][]byte{"lan/port": oneFrame, "lan/stream": manyFrames} {
		k := newKernel(t)
		k.must("mkdir", k.mkdir("lan"))
		from, to := k.open(name, unix.O_WRONLY), k.open(name, unix.O_RDONLY)
		read := bytesOf(fuse.ReadIn{InHeader: head(15, 9), Fh: to, Size: 65536})
		write := bytesOf(fuse.WriteIn{InHeader: head(16, 9), Fh: from, Size: uint32(len(frames))}, frames...)
		k.quiet.Store(true) // count answers from here on
		answers := int64(0)
		do := func(rounds int) {
			for range rounds {
				for _, m := range [][]byte{read, write} {
					binary.NativeEndian.PutUint32(m, uint32(len(m)))
					binary.NativeEndian.PutUint64(m[8:], 1<<40)
					if _, err := unix.Write(k.fd, m); err != nil {
						t.Fatal(err)
					}
				}
				for answers += 2; k.count.Load() < answers; {
					runtime.Gosched()
				}
			}
		}
		do(300)
		const rounds = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do(rounds)
		runtime.ReadMemStats(&after)
		if n := after.Mallocs - before.Mallocs; n >= rounds/10 {
			t.Errorf("%s: %d allocations in %d rounds of a write and a read", name, n, rounds)
		}
		if s := k.fs.bus.Network("lan").Stats(); s.Received != s.Frames || s.Received == 0 {
			t.Errorf("%s: %d of %d frames were received", name, s.Received, s.Frames)
		}
		k.quiet.Store(false)
		k.end()
	}
}
