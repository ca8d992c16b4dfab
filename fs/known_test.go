package fs

import (
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
)

// turn makes networks until the counter of their ids is at id again, and tells
// whether a network got that id. The ids between are passed over at once.
func (m *memory) turn(id uint32, name string) bool {
	m.t.Helper()
	busy := m.bus.Busy
	m.bus.Busy = func(other uint32) bool { return other != id || busy(other) }
	defer func() { m.bus.Busy = busy }()
	for range 1<<24/(1<<16) + 1 {
		if m.mkdir(name, 0o700).Ok() {
			return m.bus.Network(name).ID() == id
		}
	}
	return false
}

// An id is not given again while the kernel knows a node of the network that
// had it; and if it were, what is open would not act on the new network.
func TestIDsOfNetworks(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("old", 0o755))
	id := m.bus.Network("old").ID()
	dir, mtu := m.id("old"), m.id("old/mtu")
	fh, status := m.open("old/mtu", unix.O_RDWR)
	ok(t, "open", status)
	ok(t, "rmdir", m.rmdir("old"))
	if m.turn(id, "secret") {
		t.Error("an id is given again of which a file is open")
	}
	for known := m.known.nets[id]; known > 0; known-- {
		if m.turn(id, "secret") {
			t.Fatalf("an id is given again of which the kernel knows %d nodes", known)
		}
		m.Forget([]uint64{dir, mtu}[known%2], 1)
	}
	if !m.turn(id, "secret") {
		t.Fatal("an id that nobody refers to is not given again")
	}
	in := writeIn(fh)
	in.InHeader = m.header(mtu)
	_, status = m.Write(nil, in, []byte("99"))
	wantStatus(t, "write to what was open", status, unix.ENODEV)
	_, status = m.FS.Read(nil, readIn(fh, 0, 100), nil)
	wantStatus(t, "read of what was open", status, unix.ENODEV)
	if got := m.bus.Network("secret").MTU(); got != frame.DefaultMTU {
		t.Errorf("the mtu of the new network is %d", got)
	}
	m.Release(nil, &fuse.ReleaseIn{Fh: fh})
}

// A port that comes when the lives of ports were counted round has no node of
// the old one: fchmod(2) there, which the kernel lets the old owner do, does
// nothing to the new port.
func TestIDsOfPorts(t *testing.T) {
	m := newLAN(t)
	old := map[string]uint64{}
	for _, f := range files() {
		if f.row.ofPort() {
			old[f.path] = m.id(f.path)
		}
	}
	n := m.bus.Network("lan")
	life := n.Port(2).Life()
	for again := false; !again; again = n.Port(2).Life() == life {
		if err := n.RemovePort(2); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Reserve(2); err != nil {
			t.Fatal(err)
		}
	}
	for path, id := range old {
		if n := m.node(id); !n.gone {
			t.Errorf("the old %s is there again", path)
		}
		if m.id(path) == id {
			t.Errorf("the new %s has the id of the old one", path)
		}
		in := fuse.SetAttrIn{}
		in.InHeader, in.Valid, in.Mode = m.header(id), fuse.FATTR_MODE, 0o777
		wantStatus(t, "chmod of the old "+path, m.SetAttr(nil, &in, &fuse.AttrOut{}), unix.ENODEV)
	}
	for path, id := range old { // what is forgotten may be given again
		m.Forget(id, 1)
		if n := m.node(id); !n.gone {
			t.Errorf("%s is known after it was forgotten", path)
		}
	}
}

// Nothing is kept of what the kernel forgot.
func TestForgetAll(t *testing.T) {
	m := newLAN(t)
	m.known = newKnown() // the walks of newLAN are not counted
	var entered []uint64
	for _, f := range files() {
		id := uint64(fuse.FUSE_ROOT_ID)
		for _, name := range strings.Split(f.path, "/") {
			var out fuse.EntryOut
			h := m.header(id)
			ok(t, f.path, m.Lookup(nil, &h, name, &out))
			id = out.NodeId
			entered = append(entered, id)
		}
	}
	if len(m.known.nets) != 1 || len(m.known.nodes) == 0 {
		t.Errorf("%d networks are known and %d nodes", len(m.known.nets), len(m.known.nodes))
	}
	for _, id := range entered {
		m.Forget(id, 1)
	}
	if len(m.known.nets)+len(m.known.nodes) != 0 {
		t.Errorf("at the end %v and %v are known", m.known.nets, m.known.nodes)
	}
}

// Each LOOKUP of a file that is locked by a waiting write, or whose text changes,
// gives another node than those that are known, also when the sequence was counted
// round: after 2^32 LOOKUPs, or after 2^16 within ports/ and POLICY/. So nobody gets
// the lock, the size or the pages of another's open file.
func TestSequenceSkipsKnown(t *testing.T) {
	m := newLAN(t)
	for _, f := range files() {
		if !f.row.live && f.path != "lan/ports/2/queue" {
			continue
		}
		first := m.id(f.path)
		for again := range 3 {
			sequence.Store(uint32(first) - 1) // the next number is that of first
			if id := m.id(f.path); (id == first) == f.row.live {
				t.Errorf("%s: lookup %d: the known node is %x, the new one %x", f.path, again, first, id)
			}
		}
	}
	// All of the numbers that are tried are taken: an error, and no search on.
	id := m.id("lan/ports/2")
	sequence.Store(1000)
	for range maxTries {
		m.id("lan/ports/2/info")
	}
	sequence.Store(1000)
	h := m.header(id)
	wantStatus(t, "lookup", m.Lookup(nil, &h, "info", &fuse.EntryOut{}), unix.ENOSPC)
}
