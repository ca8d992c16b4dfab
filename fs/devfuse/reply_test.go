package devfuse

import (
	"encoding/binary"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestReplies(t *testing.T) {
	d, kernel := pair(t, fuse.NewDefaultRawFileSystem())
	r := d.Reply(42)
	if r.Unique() != 42 {
		t.Errorf("the number is %d", r.Unique())
	}
	u32 := func(values ...uint32) (b []byte) {
		for _, v := range values {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		return b
	}
	iov := make([]unix.Iovec, 3)
	iov[1] = unix.Iovec{Base: &[]byte("ab")[0], Len: 2}
	iov[2] = unix.Iovec{Base: &[]byte("cde")[0], Len: 3}
	var header fuse.OutHeader
	for what, c := range map[string]struct {
		send func()
		want answer
	}{
		"success":  {func() { r.Error(0) }, answer{0, 42, nil}},
		"error":    {func() { r.Error(unix.EINTR) }, answer{-4, 42, nil}},
		"data":     {func() { r.Data([]byte("hello")) }, answer{0, 42, []byte("hello")}},
		"no data":  {func() { r.Data(nil) }, answer{0, 42, nil}},
		"pieces":   {func() { r.Pieces(&header, iov, 5) }, answer{0, 42, []byte("abcde")}},
		"written":  {func() { r.Written(70000) }, answer{0, 42, u32(70000, 0)}},
		"polled":   {func() { r.Poll(unix.POLLIN | unix.POLLHUP) }, answer{0, 42, u32(0x11, 0)}},
		"notified": {func() { d.NotifyPoll(7) }, answer{1, 0, binary.NativeEndian.AppendUint64(nil, 7)}},
	} {
		c.send()
		got := answers(t, kernel)
		if len(got) != 1 || got[0].status != c.want.status || got[0].unique != c.want.unique || string(got[0].body) != string(c.want.body) {
			t.Errorf("%s: answered %+v, want %+v", what, got, c.want)
		}
	}
}

func TestRepliesAllocateNothing(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDevice(null, fuse.NewDefaultRawFileSystem())
	t.Cleanup(func() { _ = d.Close() })
	data := []byte("data")
	iov := make([]unix.Iovec, 2)
	var header fuse.OutHeader
	for what, f := range map[string]func(r Reply){
		"Error": func(r Reply) { r.Error(unix.EAGAIN) }, "Data": func(r Reply) { r.Data(data) },
		"Written": func(r Reply) { r.Written(5) }, "Poll": func(r Reply) { r.Poll(1) },
		"NotifyPoll": func(Reply) { d.NotifyPoll(1) },
		"Pieces": func(r Reply) {
			iov[1] = unix.Iovec{Base: &data[0], Len: 4}
			r.Pieces(&header, iov, 4)
		},
	} {
		if n := testing.AllocsPerRun(100, func() { f(d.Reply(3)) }); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}
