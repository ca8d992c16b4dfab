package fs

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus/policy"
)

// What a user has open is charged to him, but for a few small texts; so that
// one who holds thousands of them takes no memory from others, who can read
// when he has used up what is his.
func TestTextsAreTheReaders(t *testing.T) {
	o := testOptions()
	o.Limits.Memory = 128 << 10
	m := newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	id := m.id("lan/stats")
	read := func(uid uint32) fuse.Status {
		var out fuse.OpenOut
		h := m.header(id)
		h.Uid = uid
		ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: h}, &out))
		t.Cleanup(func() { m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh}) })
		_, status := m.FS.Read(nil, readIn(out.Fh, 0, 4096), nil)
		return status
	}
	for range freeOpen {
		ok(t, "read", read(5))
	}
	if used := m.bus.Memory.Used(); used != 0 {
		t.Errorf("%d bytes are charged for %d texts", used, freeOpen)
	}
	count := 0
	for read(5).Ok() {
		if count++; count > 1000 {
			t.Fatal("thousands of texts fit into no memory")
		}
	}
	if used := m.accounts.users[5].mem.Used(); count == 0 || used > 7*(128<<10)/8 || used < int64(count*100) {
		t.Errorf("%d more texts hold %d bytes", count, used)
	}
	ok(t, "another user", read(6))
	if mem, done := m.bus.Account(5); mem != m.accounts.users[5].mem {
		t.Error("what he has open is not in his part of the memory")
	} else {
		done()
	}
}

// Listings are charged likewise.
func TestListingsAreTheReaders(t *testing.T) {
	o := testOptions()
	o.Limits.Memory = 64 << 10
	m := newMemory(t, o)
	for i := range 100 {
		ok(t, "mkdir", m.mkdir(fmt.Sprint("n", i), 0o755))
	}
	status := fuse.OK
	for opened := 0; status.Ok(); opened++ {
		var out fuse.OpenOut
		status = m.OpenDir(nil, &fuse.OpenIn{InHeader: m.header(fuse.FUSE_ROOT_ID)}, &out)
		if opened > 1000 {
			t.Fatal("thousands of listings fit into no memory")
		}
		if status.Ok() {
			t.Cleanup(func() { m.ReleaseDir(&fuse.ReleaseIn{Fh: out.Fh}) })
		}
	}
	wantStatus(t, "one too many", status, unix.ENOBUFS)
}

// A report of a port with many connections is charged before it is made.
func TestChargedBeforeMade(t *testing.T) {
	o := testOptions()
	o.Limits.Memory = 100 << 10
	m := newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	ok(t, "mkdir", m.mkdir("lan/ports/1", 0))
	for range 200 {
		_, status := m.open("lan/ports/1/port", unix.O_WRONLY)
		ok(t, "open", status)
	}
	fh, status := m.open("lan/ports/1/info", unix.O_RDONLY)
	ok(t, "open", status)
	defer m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	_, status = m.FS.Read(nil, readIn(fh, 0, 100), nil)
	wantStatus(t, "read of info", status, unix.ENOBUFS)
}

// A user has one big text made at a time, and others do not wait for him.
func TestBigTextsTakeTurns(t *testing.T) {
	m := newMemory(t, testOptions())
	greedy, other := m.accounts.enter(5), m.accounts.enter(6)
	var made atomic.Int32
	var all sync.WaitGroup
	begun, end := make(chan bool, 10), make(chan bool)
	for range 10 {
		all.Go(func() {
			m.accounts.make(greedy, func() {
				if made.Add(1) > 1 {
					t.Error("a user has two texts made at once")
				}
				begun <- true
				<-end
				for range 100 {
					runtime.Gosched()
				}
				made.Add(-1)
			})
		})
	}
	<-begun
	m.accounts.make(other, func() {})
	close(end)
	all.Wait()
	m.accounts.leave(greedy)
	m.accounts.leave(other)
	if len(m.accounts.users) != 0 {
		t.Errorf("%d accounts are left", len(m.accounts.users))
	}
}

// useWide puts a policy in force that has a table which may be long and shows
// addresses, and returns its path.
func useWide(t *testing.T, m *memory, read func() string) string {
	t.Helper()
	name := register(func() *offer {
		return &offer{
			tables: []string{"addresses"}, get: read, set: func(string) error { return nil },
			ofFrames: true, cost: func() int { return 100 << 10 },
		}
	})
	ok(t, "policy", m.write("lan/policy", name))
	return "lan/" + name + "/addresses"
}

// A table that says what it costs is read without the network's lock, and only
// if there is so much memory.
func TestTableWithCost(t *testing.T) {
	for memory, want := range map[int64]string{1 << 20: "a\n", 64 << 10: ""} {
		o := testOptions()
		o.Limits.Memory = memory
		m := newMemory(t, o)
		ok(t, "mkdir", m.mkdir("lan", 0o755))
		path := useWide(t, m, func() string {
			free := make(chan error)
			go func() { free <- m.bus.Network("lan").UsePolicy(func(policy.Policy) error { return nil }) }()
			if err := <-free; err != nil {
				t.Error(err)
			}
			return "a"
		})
		if size := m.stat(path).Size; int(size) != len(want) {
			t.Errorf("with %d bytes of memory the size is %d", memory, size)
		}
		fh, status := m.open(path, unix.O_RDONLY)
		ok(t, "open", status)
		r, status := m.FS.Read(nil, readIn(fh, 0, 100), nil)
		if want == "" {
			wantStatus(t, "read", status, unix.ENOBUFS)
		} else if data, _ := r.Bytes(nil); string(data) != want {
			t.Errorf("with %d bytes of memory: %q", memory, data)
		}
		m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	}
}

// A table that shows what stands in frames has r for those who may receive.
func TestModeOfFrames(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	path := useWide(t, m, func() string { return "" })
	for port, want := range map[uint32]uint32{0o744: 0o644, 0o700: 0o600, 0o100: 0o200, 0o711: 0o622, 0o666: 0o444} {
		ok(t, "chmod", m.chmod("lan/port", port))
		if got := m.stat(path).Mode; got != unix.S_IFREG|want {
			t.Errorf("port has %04o, the table %o, want %o", port, got, want)
		}
	}
}
