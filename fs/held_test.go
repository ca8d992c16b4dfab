package fs

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/policy"
	"ipnfs/fs/devfuse"
)

// hold takes a network's lock, as a command that takes long does, until free.
func (k *kernel) hold(network string) (free func()) {
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	net := k.fs.bus.Network(network)
	go func() {
		defer close(done)
		_ = net.UsePolicy(func(policy.Policy) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	return func() {
		close(let)
		<-done
	}
}

// While somebody works under the lock of one network, whatever is asked of its
// files keeps no other network waiting, and none of it is lost.
func TestNetworkIsHeld(t *testing.T) {
	k := newKernel(t)
	for _, network := range []string{"lan", "other"} {
		k.must("mkdir", k.mkdir(network))
	}
	a, b := k.open("lan/port", unix.O_RDWR), k.open("lan/port", unix.O_RDWR)
	stream, leaver := k.open("lan/stream", unix.O_WRONLY), k.open("lan/port", unix.O_RDWR)
	events := k.open("lan/events", unix.O_RDONLY)
	x, y := k.open("other/port", unix.O_RDWR), k.open("other/port", unix.O_RDWR)
	waiting := k.read(leaver, 10)

	free := k.hold("lan") // after a change that no sender has seen
	alive := func(after string) {
		t.Helper()
		k.wantWritten(k.write(x, after), len(after))
		k.wantData(k.read(y, 100), after)
	}
	one := k.write(a, "one")
	alive("a write")
	two := k.writeWith(b, "two", 0, unix.O_NONBLOCK)
	alive("a write that may not wait")
	three := k.write(stream, form("three", "four"))
	alive("a stream's write")
	killed := k.write(leaver, "never")
	k.interrupt(killed)
	k.interrupt(waiting)
	k.wantErrno(waiting, unix.EINTR)
	alive("interrupts")
	k.poll(a, devfuse.PollIn|devfuse.PollOut, 1, true)
	alive("a poll")
	k.wantErrno(k.release(events), 0)
	alive("a release of events")
	gone := k.read(leaver, 10)
	k.wantErrno(k.release(leaver), 0)
	k.wantErrno(gone, 0)
	alive("a release")
	k.fs.bus.Tick(k.fs.started)
	k.lookup("other/mtu")
	k.must("a setting", k.echo("2000", "other/mtu"))
	k.must("mkdir", k.mkdir("third"))
	k.must("rmdir", k.rmdir("third"))
	for _, unique := range []uint64{one, two, three} {
		k.waits(unique)
	}
	free()

	k.wantWritten(one, 3)
	k.wantWritten(two, 3)
	k.wantWritten(three, 13)
	k.wantErrno(killed, unix.EINTR)
	k.wantErrno(uint64(k.ask("rmdir", named(bytesOf(head(11, k.lookup("lan/ports"))), "4"))), unix.ENOENT)
	for _, want := range []string{"one", "three", "four"} {
		k.wantData(k.read(b, 10), want)
	}
	k.wantData(k.read(a, 10), "two")
}
