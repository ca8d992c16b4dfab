package fs

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
)

// blocking is a network with a stream to send by and a port to receive, which
// has room for one frame.
func blocking(t *testing.T) (k *kernel, s, to uint64) {
	k = newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	return k, k.open("lan/stream", unix.O_WRONLY), k.open("lan/port", unix.O_RDONLY)
}

func (k *kernel) take(fh uint64, frames ...string) {
	k.t.Helper()
	for _, f := range frames {
		k.wantData(k.read(fh, 1000), f)
	}
}

func TestStreamBlocks(t *testing.T) {
	k, s, to := blocking(t)
	data := form("1", "2", "3", "4")
	w := k.write(s, data)
	k.waits(w)
	k.take(to, "1", "2")
	k.waits(w)
	k.take(to, "3")
	k.wantWritten(w, len(data))
	k.take(to, "4")
	// Without waiting: what went is counted.
	k.wantWritten(k.writeWith(s, data, 0, unix.O_NONBLOCK), 3)
	k.wantErrno(k.writeWith(s, data, 0, unix.O_NONBLOCK), unix.EAGAIN)
	k.take(to, "1")
}

// A write that ends a frame which cannot go now, and may not wait, takes
// nothing, wherever the frame was cut: the same bytes go later.
func TestStreamSplitWithoutWaiting(t *testing.T) {
	for cut := 1; cut < 5; cut++ {
		k, s, to := blocking(t)
		k.wantWritten(k.write(s, form("0")), 3)
		k.wantWritten(k.write(s, form("abc")[:cut]), cut)
		rest := form("abc")[cut:]
		k.wantErrno(k.writeWith(s, rest, 0, unix.O_NONBLOCK), unix.EAGAIN)
		k.wantErrno(k.writeWith(s, rest+form("d"), 0, unix.O_NONBLOCK), unix.EAGAIN)
		k.take(to, "0")
		k.wantWritten(k.writeWith(s, rest+form("d"), 0, unix.O_NONBLOCK), len(rest))
		k.take(to, "abc")
		k.wantErrno(k.readWith(to, 10, unix.O_NONBLOCK), unix.EAGAIN)
		k.end()
	}
}

// Without memory a write that would wait fails, and so does one that leaves a
// frame unfinished.
func TestNoMemory(t *testing.T) {
	o := testOptions()
	o.Limits.Memory = 1 << 20
	k := newKernelWith(t, o)
	k.must("mkdir", k.mkdir("lan"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("mtu", k.echo("1044480", "lan/mtu"))
	p, s, to := k.open("lan/port", unix.O_WRONLY), k.open("lan/stream", unix.O_WRONLY), k.open("lan/port", unix.O_RDONLY)
	large := strings.Repeat("x", 300000)
	k.wantWritten(k.write(p, "0"), 1)
	k.wantErrno(k.write(p, large), unix.ENOBUFS)
	k.take(to, "0")
	k.wantWritten(k.write(p, large), len(large)) // taken, but not kept for the reader: counted as dropped
	if got := k.fs.bus.Network("lan").Stats(); got.Drops[2] != 1 || bustest.CheckBalance(got) != nil {
		t.Errorf("stats are %+v", got)
	}
	var parts []uint64
	for range 20 {
		fh := k.open("lan/stream", unix.O_WRONLY)
		parts = append(parts, fh)
		if r := k.wait(k.write(fh, "\xff\xff")); r.errno != 0 && r.errno != unix.ENOBUFS {
			t.Errorf("half a frame: %v", r.errno)
		}
	}
	k.wantErrno(k.write(s, "\xff\xff"), unix.ENOBUFS)
	for _, fh := range parts {
		k.wantErrno(k.release(fh), 0)
	}
	k.wantWritten(k.write(s, form("again")), 7)
	k.take(to, "again")
}

// Writes that come while another waits go in their order.
func TestStreamQueueOfWrites(t *testing.T) {
	k, s, to := blocking(t)
	var writes []uint64
	for _, data := range []string{form("1", "2"), form("3")[:1], form("3")[1:] + form("4"), form("5", "6")} {
		writes = append(writes, k.write(s, data))
	}
	k.waits(writes[1])
	k.wantErrno(k.writeWith(s, form("x"), 0, unix.O_NONBLOCK), unix.EAGAIN)
	k.take(to, "1", "2", "3", "4", "5", "6")
	for i, n := range []int{6, 1, 5, 6} {
		k.wantWritten(writes[i], n)
	}
}

// An interrupted write tells exactly what went, so that who goes on from
// there loses and repeats nothing.
func TestStreamInterruptedWrite(t *testing.T) {
	for takes := range 4 {
		k, s, to := blocking(t)
		frames := []string{"1", "2", "3", "4", "5"}
		w := k.write(s, form(frames...))
		k.waits(w)
		k.take(to, frames[:takes]...)
		k.waits(w)
		k.interrupt(w)
		r := k.wait(w)
		if r.errno != 0 {
			t.Fatalf("%d frames were taken and one is queued, and the write is answered by %v", takes, r.errno)
		}
		k.wantWritten(w, 3*(takes+1))
		rest := k.write(s, form(frames...)[3*(takes+1):])
		k.take(to, frames[takes:]...)
		k.wantWritten(rest, 3*(4-takes))
		k.wantErrno(k.readWith(to, 10, unix.O_NONBLOCK), unix.EAGAIN)
		k.end()
	}
}

// Interrupted before anything went, also behind another.
func TestStreamInterruptedBehind(t *testing.T) {
	k, s, to := blocking(t)
	k.wantWritten(k.write(s, form("0")), 3)
	first, second, third := k.write(s, form("1")), k.write(s, form("2")), k.write(s, form("3"))
	k.waits(third)
	k.interrupt(second)
	k.wantErrno(second, unix.EINTR)
	k.interrupt(first)
	k.wantErrno(first, unix.EINTR)
	k.waits(third)
	k.take(to, "0", "3")
	k.wantWritten(third, 3)
}

// A frame whose first part an earlier write brought is not lost when the
// write that ended it is interrupted, whoever waits behind.
func TestStreamInterruptedWithPart(t *testing.T) {
	for _, another := range []bool{false, true} {
		k, s, to := blocking(t)
		k.wantWritten(k.write(s, form("0")), 3)
		k.wantWritten(k.write(s, form("abc")[:3]), 3)
		ends := k.write(s, form("abc")[3:]+form("d"))
		k.waits(ends)
		behind := uint64(0)
		if another {
			behind = k.write(s, form("e"))
			k.waits(behind)
		}
		k.interrupt(ends)
		got := form("abc")[:3]
		if r := k.wait(ends); r.errno == 0 {
			n := int(r.body[0])
			got += (form("abc")[3:] + form("d"))[:n]
		} else if r.errno != unix.EINTR {
			t.Errorf("interrupted: %v", r.errno)
		}
		want := []string{"0"}
		switch got { // what it said to have taken comes, once
		case form("abc")[:3]: // the part alone: a client would send the rest again
			if another {
				// what came behind then continues the frame: no frame is whole
				k.interrupt(behind)
				k.wait(behind)
				k.end()
				continue
			}
			k.write(s, form("abc")[3:])
			want = append(want, "abc")
		case form("abc"):
			want = append(want, "abc")
		default:
			t.Errorf("taken: %q", got)
		}
		if another {
			want = append(want, "e")
		} else {
			k.write(s, form("f"))
			want = append(want, "f")
		}
		k.take(to, want...)
		k.wantErrno(k.readWith(to, 10, unix.O_NONBLOCK), unix.EAGAIN)
		k.end()
	}
}

// The receiver is removed while writes wait: they go on, to nobody.
func TestStreamReceiverRemoved(t *testing.T) {
	k, s, _ := blocking(t)
	one, two := k.write(s, form("1", "2", "3")), k.write(s, form("4"))
	k.waits(two)
	k.must("rmdir", k.rmdir("lan/ports/2"))
	k.wantWritten(one, 9)
	k.wantWritten(two, 3)
}

func TestStreamSenderRemoved(t *testing.T) {
	k, s, to := blocking(t)
	k.wantWritten(k.write(s, form("0")), 3)
	one, two := k.write(s, form("1")), k.write(s, form("2"))
	k.waits(two)
	k.must("rmdir", k.rmdir("lan/ports/1"))
	k.wantErrno(one, unix.ECONNRESET)
	k.wantErrno(two, unix.ECONNRESET)
	k.wantErrno(k.write(s, form("3")), unix.ECONNRESET)
	k.take(to, "0")
}

// A write that ends on another thread, because the sender's port is removed, gives
// back what it added to a frame before the next write on the same file looks.
func TestStreamRemovedBesideWrites(t *testing.T) {
	k, _, _ := blocking(t)
	n := k.fs.bus.Network("lan")
	for range 200 {
		s := k.open("lan/stream", unix.O_WRONLY)
		number := k.fs.dev.Handle(s).(*stream).number()
		k.wait(k.writeWith(s, form("0"), 0, unix.O_NONBLOCK)) // now, at the latest, the receiver is full
		k.wantWritten(k.write(s, form("abc")[:3]), 3)
		writes := []uint64{k.write(s, form("abc")[3:])}
		k.waits(writes[0])
		removed := make(chan error)
		go func() { removed <- n.RemovePort(number) }()
		for range 10 {
			writes = append(writes, k.write(s, form("d")))
		}
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			k.wantErrno(w, unix.ECONNRESET)
		}
		k.wantErrno(k.release(s), 0)
	}
}

// At the end of a mount files are released while their writes go on as toil: the
// unfinished frame stays until these have ended.
func TestStreamReleasedWhileSending(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	for range 100 {
		k.open("lan/port", unix.O_RDONLY)
	}
	for range 30 {
		s := k.open("lan/stream", unix.O_WRONLY)
		w := k.write(s, strings.Repeat(form("x"), 1000)+form("abc")[:3])
		k.wantErrno(k.release(s), 0)
		k.wait(w)
	}
}
