package cable

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
	"ipnfs/words"
)

// hang is a file system that all users may enter, and that never answers, until it is
// let go.
func hang(t *testing.T) (dir string, let func()) {
	t.Helper()
	harness.NeedRoot(t)
	harness.NeedFuse(t)
	dir = openDir(t)
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Mount("none", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd))
	}
	if err != nil {
		t.Fatal(err)
	}
	let = sync.OnceFunc(func() {
		_ = unix.Close(fd) // which ends all that waits
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	})
	t.Cleanup(let)
	return dir, let
}

// awaitActing waits until so many act and wait for a user.
func awaitActing(t *testing.T, uid uint32, acts, all int) {
	t.Helper()
	bustest.WaitFor(t, fmt.Sprintf("%d to act, of %d", acts, all), func() bool {
		acting.Lock()
		defer acting.Unlock()
		a := acting.users[uid]
		if a == nil {
			return all == 0
		}
		return a.users == all && len(a.slots) == acts
	})
}

// Paths on a file system that never answers cost a user his threads and no more: cables
// end, and others are served.
func TestHangingFileSystem(t *testing.T) {
	by := user(t)
	dir, let := hang(t)
	open := len(lanetest.OpenFiles(t))
	var origins []*Origin
	var all sync.WaitGroup
	for i := range 3 * maxThreads {
		o, err := newOrigin(by, "")
		if err != nil {
			t.Fatal(err)
		}
		origins = append(origins, o)
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = o.ReadFile(dir + "/file")
			} else {
				_, err = o.DialUnix(dir+"/socket", unix.SOCK_STREAM)
			}
			if fail.KindOf(err) != fail.Gone {
				t.Errorf("it came to %v", err)
			}
		})
	}
	awaitActing(t, userID, maxThreads, len(origins))
	if text, err := originOf(t, self(t), "").ReadFile("/etc/passwd"); err != nil || len(text) == 0 {
		t.Errorf("another user: %v", err)
	}
	for _, o := range origins {
		o.close()
	}
	all.Wait()
	awaitActing(t, userID, maxThreads, maxThreads)
	let()
	awaitActing(t, userID, 0, 0)
	bustest.WaitFor(t, "the descriptors to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= open })
}

// A scheme has so long to open, and a cable whose Dial waits ends at once.
func TestHangingCable(t *testing.T) {
	defer func(was time.Duration) { openPatience = was }(openPatience)
	openPatience = 20 * time.Millisecond
	dir, let := hang(t)
	l := newLab(t)
	used := l.Net.Memory().Used()
	if err := (attacher{}).Attach(l.Net, self(t), "waits://"+dir+"/key"); fail.KindOf(err) != fail.Gone || l.Net.Memory().Used() != used {
		t.Errorf("it is laid: %v", err)
	}
	if err := (attacher{}).Attach(l.Net, self(t), "waits:///later"+dir+"/key"); err != nil {
		t.Fatal(err)
	}
	awaitActing(t, 0, 2, 2)
	c := cables(l.Net)[0]
	if err := (attacher{}).Detach(l.Net, self(t), c.name); err != nil {
		t.Error(err)
	}
	if l.Net.Memory().Used() != used || len(l.Net.Ports()) != 1 {
		t.Error("something is left")
	}
	let()
	awaitActing(t, 0, 0, 0)
}

// waiter is a Dialer that reads a file.
type waiter struct {
	path string
	o    *Origin
}

func (waiter) Close() {}

func (w waiter) Dial(context.Context, *Plug) (*Link, error) {
	_, err := w.o.ReadFile(w.path)
	return nil, err
}

func init() {
	Register(Scheme{Name: "waits", Open: func(l words.Locator, o *Origin) (Dialer, error) {
		if path, later := strings.CutPrefix(l.Rest, "/later"); later {
			return waiter{path, o}, nil
		}
		_, err := o.ReadFile(l.Rest)
		return waiter{}, err
	}})
}
