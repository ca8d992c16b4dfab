package fs

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// gate stops the toil of a network until it is opened. What was posted is done before:
// while a network is being changed all its frames are toil.
func (k *kernel) gate(network string) (open func()) {
	ch, ready := make(chan struct{}), make(chan struct{})
	n := k.fs.bus.Network(network)
	n.Ports()
	if !n.Ready(func() { close(ready) }) {
		<-ready
	}
	k.fs.toil.add(n, func() { <-ch })
	return func() { close(ch) }
}

// A stream's write that makes more copies than one turn may goes on behind the
// others' requests, and all of it is sent, in order.
func TestStreamTakesTurns(t *testing.T) {
	k := newKernel(t)
	for _, network := range []string{"lan", "other"} {
		k.must("mkdir", k.mkdir(network))
	}
	from := k.open("lan/stream", unix.O_WRONLY)
	for range 99 {
		k.open("lan/port", unix.O_RDONLY)
	}
	last := k.open("lan/port", unix.O_RDONLY)
	other, ear := k.open("other/port", unix.O_WRONLY), k.open("other/port", unix.O_RDONLY)

	open := k.gate("lan")
	const frames = 1000
	all := strings.Repeat("\x00\x01x", frames)
	long := k.write(from, all)
	behind := k.write(from, form("last"))
	k.wantWritten(k.write(other, "hello"), 5)
	k.wantData(k.read(ear, 100), "hello")
	if k.answered(long) || k.answered(behind) {
		t.Error("the long write was not put off")
	}
	open()
	k.wantWritten(long, len(all))
	k.wantWritten(behind, 6)
	stats := k.fs.bus.Network("lan").Stats()
	if stats.Frames != frames+1 || stats.Offered != 100*(frames+1) {
		t.Errorf("%d frames were sent, %d offered", stats.Frames, stats.Offered)
	}
	k.wantData(k.read(last, 10), "x")
}

// A write is within one budget, however many batches it is, and though nobody
// gets its frames.
func TestFramesForNobodyTakeTurns(t *testing.T) {
	const budget = copyBudget / bus.FrameCost
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	from := k.open("lan/stream", unix.O_WRONLY)
	open := k.gate("lan")
	short, long := strings.Repeat("\x00\x01x", budget), strings.Repeat("\x00\x01x", 2*budget+1)
	k.wantWritten(k.write(from, short), len(short))
	put := k.write(from, long)
	k.waits(put)
	open()
	k.wantWritten(put, len(long))
	if got := k.fs.bus.Network("lan").Stats().Frames; got != 3*budget+1 {
		t.Errorf("%d frames were sent, want %d", got, 3*budget+1)
	}
}

// Where a single frame has so many receivers, all frames are toil.
func TestToilOfOneFrame(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	k.must("maxports", k.echo("3000", "lan/maxports"))
	a, b := k.open("lan/port", unix.O_RDWR), k.open("lan/stream", unix.O_WRONLY)
	for range maxReach + 1 {
		k.open("lan/port", unix.O_RDONLY)
	}
	open := k.gate("lan")
	one, two := k.write(a, "one"), k.write(b, form("two", "three"))
	killed := k.write(a, "not sent")
	k.waits(one)
	k.waits(two)
	k.interrupt(killed)
	k.settle() // it is noted, and goes when it is its turn
	open()
	k.wantWritten(one, 3)
	k.wantWritten(two, 12)
	k.wantErrno(killed, unix.EINTR)
	k.wantData(k.read(a, 10), "two")
	k.wantData(k.read(a, 10), "three")
	if got := k.fs.bus.Network("lan").Stats().Frames; got != 3 {
		t.Errorf("%d frames were sent, want 3", got)
	}
}
