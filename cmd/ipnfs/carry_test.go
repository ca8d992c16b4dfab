package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeDoor is the end of a socket, whose other end is the network; it refuses
// frames over mtu, if that is not 0, as NET/stream does.
type fakeDoor struct {
	*os.File
	mtu int
}

func (d *fakeDoor) Write(data []byte) (int, error) {
	end := 0
	for end < len(data) && (d.mtu == 0 || frameLen(data[end:]) <= prefix+d.mtu) {
		end += frameLen(data[end:])
	}
	n, err := d.File.Write(data[:end])
	if err == nil && end < len(data) {
		err = &os.PathError{Op: "write", Path: "door", Err: unix.EMSGSIZE}
	}
	return n, err
}

// rig is a plug whose ends the test holds.
type rig struct {
	*plug
	in, out, net *os.File // what the plug reads, what it writes, the network
	log          bytes.Buffer
	ends         chan os.Signal
	ended        chan error
}

// pair is two ends of a socket: one for the test, the other as it is.
func pair(t *testing.T, kind int) (*os.File, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "test")
	t.Cleanup(func() { file.Close() })
	_ = file.SetDeadline(time.Now().Add(30 * time.Second)) // a failure, not a hang
	return file, fds[1]
}

// newRig makes a plug with a door of stream form, or of one frame a call.
func newRig(t *testing.T, mtu int, isFramed bool) *rig {
	t.Helper()
	r := &rig{ends: make(chan os.Signal, 1), ended: make(chan error, 1)}
	p := &plug{rights: mayBoth, refused: skips{log: &r.log}}
	r.in, p.in = pair(t, unix.SOCK_STREAM)
	r.out, p.out = pair(t, unix.SOCK_STREAM)
	t.Cleanup(func() { unix.Close(p.in); unix.Close(p.out) })
	kind := unix.SOCK_STREAM
	if isFramed {
		kind = unix.SOCK_SEQPACKET
	}
	net, fd := pair(t, kind)
	_ = unix.SetNonblock(fd, true)
	file := os.NewFile(uintptr(fd), "door")
	t.Cleanup(func() { file.Close() })
	r.net, r.plug, p.door = net, p, &fakeDoor{file, mtu}
	if isFramed {
		p.door = &framed{file, make([]byte, maxFrame), skips{log: &r.log}}
	}
	return r
}

func (r *rig) start() { go func() { r.ended <- r.run(r.ends) }() }

// wantEnd waits for the end, and wants its exit code.
func (r *rig) wantEnd(t *testing.T, code int) error {
	t.Helper()
	select {
	case err := <-r.ended:
		var f *failure
		got := 0
		if errors.As(err, &f) {
			got = f.code
		}
		if got != code {
			t.Errorf("it ends with %d (%v), want %d", got, err, code)
		}
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

// stream puts frames into stream form.
func stream(frames ...string) (data []byte) {
	for _, f := range frames {
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(f))), f...)
	}
	return data
}

func mustWrite(t *testing.T, to *os.File, data []byte) {
	t.Helper()
	if _, err := to.Write(data); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, from *os.File, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v came, want %q", got[:n], err, want)
	}
}

// Whatever the split of the bytes, the network gets whole frames, in order.
func TestPlugSplits(t *testing.T) {
	data := stream("one", "", "a second", "x", strings.Repeat("l", 300))
	for cut := range data {
		r := newRig(t, 0, false)
		r.start()
		mustWrite(t, r.in, data[:cut])
		wantRead(t, r.net, data[:wholeFrames(data[:cut])])
		mustWrite(t, r.in, data[cut:])
		r.in.Close()
		wantRead(t, r.net, data[wholeFrames(data[:cut]):])
		r.wantEnd(t, 0)
	}
}

// All comes through in both directions at once, bytewise and by much, with ends
// that are non-blocking or not.
func TestPlugBothWays(t *testing.T) {
	for _, nonblock := range []bool{false, true} {
		r := newRig(t, 0, false)
		_ = unix.SetNonblock(r.plug.in, nonblock)
		_ = unix.SetNonblock(r.plug.out, nonblock)
		r.start()
		var data []byte
		for i := range 3000 {
			data = append(data, stream(strings.Repeat(string(rune('a'+i%26)), i*37%4000))...)
		}
		data = append(data, stream(strings.Repeat("z", 65535))...)
		go func() { _, _ = r.in.Write(data) }()
		go func() { _, _ = r.net.Write(data) }()
		read := make(chan []byte, 1)
		go func() {
			got := make([]byte, len(data))
			n, _ := io.ReadFull(r.out, got)
			read <- got[:n]
		}()
		wantRead(t, r.net, data)
		if !bytes.Equal(<-read, data) {
			t.Error("what the network sent came out otherwise")
		}
		r.in.Close()
		r.wantEnd(t, 0)
	}
}

// A frame that the network refuses is skipped and told, and the others go on.
func TestPlugSkipsRefused(t *testing.T) {
	r := newRig(t, 10, false)
	r.start()
	long := strings.Repeat("l", 11)
	mustWrite(t, r.in, stream(long, "one", long, long, "two", strings.Repeat("m", 65535)))
	mustWrite(t, r.in, stream("three"))
	r.in.Close()
	wantRead(t, r.net, stream("one", "two", "three"))
	r.wantEnd(t, 0)
	want := "ipnfs: frames skipped: 1, the last of 11 bytes: message too long\n" +
		"ipnfs: frames skipped: 2, the last of 11 bytes: message too long\n" +
		"ipnfs: frames skipped: 4, the last of 65535 bytes: message too long\n"
	if r.log.String() != want {
		t.Errorf("it tells\n%s, want\n%s", r.log.String(), want)
	}
}

// A numbered port carries a frame a call.
func TestPlugFramed(t *testing.T) {
	r := newRig(t, 0, true)
	r.start()
	mustWrite(t, r.in, stream("one", "", "two"))
	buf := make([]byte, 100)
	for _, want := range []string{"one", "two"} {
		if n, err := r.net.Read(buf); err != nil || string(buf[:n]) != want {
			t.Fatalf("%q, %v came, want %q", buf[:n], err, want)
		}
	}
	mustWrite(t, r.net, []byte("three"))
	mustWrite(t, r.net, make([]byte, 65536)) // no stream has a length for it
	mustWrite(t, r.net, []byte("four"))
	wantRead(t, r.out, stream("three", "four"))
	r.in.Close()
	r.wantEnd(t, 0)
	if want := "ipnfs: frames skipped: 1, the last of 65536 bytes: message too long\n"; r.log.String() != want {
		t.Errorf("it tells %q, want %q", r.log.String(), want)
	}
}

func TestPlugEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(r *rig)
		code int
	}{
		"input":                {func(r *rig) { r.in.Close() }, 0},
		"input within a frame": {func(r *rig) { _, _ = r.in.Write([]byte{0, 9, 1}); r.in.Close() }, exitSystem},
		"network":              {func(r *rig) { r.net.Close() }, exitEnded},
		"output":               {func(r *rig) { r.out.Close(); _, _ = r.net.Write(stream("lost")) }, 0},
		"signal":               {func(r *rig) { r.ends <- unix.SIGTERM }, 0},
	} {
		for _, isFramed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, 0, isFramed)
				r.start()
				c.end(r)
				r.wantEnd(t, c.code)
			})
		}
	}
}

// When the reader of the output has ended, what its writer left is still sent.
func TestPlugOutputEndsFirst(t *testing.T) {
	r := newRig(t, 0, false)
	data := bytes.Repeat(stream("a frame of the last ones"), 5000)
	go func() { _, _ = r.in.Write(data); r.in.Close() }()
	r.out.Close()
	mustWrite(t, r.net, stream("lost"))
	r.start()
	wantRead(t, r.net, data)
	r.wantEnd(t, 0)
}

// When the input ends, what was taken from the network goes out whole, though
// its reader is slow; a signal does not wait for a reader who does not come.
func TestPlugSlowReader(t *testing.T) {
	for _, comes := range []bool{true, false} {
		r := newRig(t, 0, true)
		_ = unix.SetsockoptInt(r.plug.out, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
		r.start()
		_ = r.net.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // it stops taking
		var err error
		for range 1000 {
			if _, err = r.net.Write(make([]byte, 60000)); err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("it takes all, whether somebody reads or not; %v", err)
		}
		if !comes {
			r.ends <- unix.SIGTERM
			r.wantEnd(t, 0)
			continue
		}
		r.in.Close()
		go func() { r.ended <- r.wantEnd(t, 0); unix.Shutdown(r.plug.out, unix.SHUT_WR) }()
		got, err := io.ReadAll(r.out)
		if err != nil || len(got) == 0 || wholeFrames(got) != len(got) {
			t.Errorf("%d bytes came, %d of them whole frames; %v", len(got), wholeFrames(got), err)
		}
	}
}

// Who may do one thing only does that: what he may not send is taken and
// dropped, so that its writer goes on.
func TestPlugOneWay(t *testing.T) {
	r := newRig(t, 0, false)
	r.rights = mayReceive
	r.start()
	mustWrite(t, r.in, bytes.Repeat(stream("dropped"), 100000))
	mustWrite(t, r.net, stream("received"))
	wantRead(t, r.out, stream("received"))
	r.in.Close()
	r.wantEnd(t, 0)
	r.plug.door.(*fakeDoor).Close()
	if got, _ := io.ReadAll(r.net); len(got) > 0 {
		t.Errorf("%d bytes were sent without the right", len(got))
	}

	r = newRig(t, 0, false)
	r.rights = maySend
	r.start()
	mustWrite(t, r.net, stream("unread"))
	mustWrite(t, r.in, stream("sent"))
	wantRead(t, r.net, stream("sent"))
	r.net.Close() // seen without a frame
	r.wantEnd(t, exitEnded)
}

// What is cut off as whole frames is whole frames, and the rest is not one.
func FuzzWholeFrames(f *testing.F) {
	f.Add(stream("one", "", "two"))
	f.Add([]byte{0})
	f.Add([]byte{255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		end := wholeFrames(data)
		at := 0
		for at < end {
			at += frameLen(data[at:])
		}
		if at != end {
			t.Errorf("%d bytes are no whole frames, but %d", end, at)
		}
		if rest := data[end:]; len(rest) >= prefix && frameLen(rest) <= len(rest) {
			t.Errorf("behind %d bytes a whole frame is left", end)
		}
	})
}
