package fs

import (
	"strconv"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/fs/devfuse"
)

// Options say how the tree starts.
type Options struct {
	Root    bus.Access // of the root directory
	Limits  bus.Limits
	Policy  string // of a new network
	Version string // what the file version shows
}

// FS is the tree of one mount.
type FS struct {
	fuse.RawFileSystem // answers ENOSYS to what is not here

	bus       *bus.Bus
	dev       *devfuse.Device
	options   Options
	started   time.Time
	errors    errorLog
	netErrors netErrors
	toil      toil
	known     known
	accounts  accounts
	listeners listeners
	sockets   sockets

	// batch is the device goroutine's own: only Handle.Write uses it.
	batch bus.Batch

	mu sync.Mutex
	// +checklocks:mu
	root bus.Access
	// +checklocks:mu
	files map[uint64]any // *textHandle or *dirHandle, by file handle
	// +checklocks:mu
	byNode map[uint64]*textHandle // of fresh nodes that are open
	// +checklocks:mu
	lastFile uint64
}

// New makes a tree without networks that is served over fd, an open
// /dev/fuse which it owns from now on.
func New(fd int, o Options) *FS {
	o.Root.Mode &= 0o7777
	f := &FS{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		bus:           bus.New(o.Limits), options: o, root: o.Root, started: time.Now(),
		known: newKnown(), listeners: newListeners(), files: map[uint64]any{}, byNode: map[uint64]*textHandle{},
	}
	f.bus.Busy, f.bus.Policy, f.bus.Told = f.known.network, o.Policy, f.told
	f.accounts = newAccounts(f.bus)
	f.errors.max = rootLines
	f.netErrors.logs = map[*bus.Network]*errorLog{}
	f.dev = devfuse.NewDevice(fd, f)
	return f
}

// Bus returns the networks.
func (f *FS) Bus() *bus.Bus { return f.bus }

// Serve answers the kernel until the tree is unmounted, then ends what is
// left and closes the device.
func (f *FS) Serve() error {
	stop := make(chan struct{})
	done := make(chan struct{})
	go f.tick(stop, done)
	err := f.dev.Serve()
	close(stop)
	<-done
	f.CloseSockets()
	f.bus.Shutdown()
	f.dropErrors()
	if closeErr := f.dev.Close(); err == nil {
		err = closeErr
	}
	return err
}

// tick lets policies age, and drops what is left of networks. A network that
// takes longer than a second keeps none of the others from the next tick.
func (f *FS) tick(stop, done chan struct{}) {
	var ticks sync.WaitGroup
	defer close(done)
	defer ticks.Wait()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			ticks.Go(func() { f.bus.Tick(now) })
			f.dropErrors()
			f.closeIdle(now.Add(-idleAcceptor))
		case <-stop:
			return
		}
	}
}

// String names the file system in messages.
func (f *FS) String() string { return "ipnfs" }

// child finds the node of a name in a directory, with the sequence number 0.
func (f *FS) child(dir *node, name string) (node, bool) {
	n := node{net: dir.net, port: dir.port}
	switch {
	case dir.gone || name == "":
		return n, false
	case dir.row == nil:
		n.row = rowOf(bus.InRoot, name)
		if n.row == nil {
			n.net = f.bus.Network(name)
			n.row = rowOf(bus.InRoot, "")
			if n.net == nil {
				return n, false
			}
		}
	case dir.row.kind == netDir, dir.row.kind == portDir, dir.row.kind == policyDir:
		if n.row = rowOf(dir.inside(), name); n.row == nil {
			return dir.servedChild(name)
		}
	case dir.row.kind == portsDir:
		number, err := strconv.Atoi(name)
		if err != nil || itoa(number) != name {
			return n, false
		}
		n.row = rowOf(inPorts, "")
		if n.port = dir.net.Port(number); n.port == nil {
			return n, false
		}
	}
	if n.row == nil {
		return n, false
	}
	n.id = makeID(n.row, n.net, n.port, 0)
	return n, f.has(n.row)
}

// Lookup finds a name. Nothing is cached by the kernel: rights and existence
// may change without its knowledge.
func (f *FS) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir := f.node(in.NodeId)
	n, ok := f.child(&dir, name)
	if dir.row == nil && name == socketsName && ours(in) {
		n.row = rowOf(inHiding, socketsName)
		n.id, ok = makeID(n.row, nil, nil, 0), true
	}
	if !ok {
		return fuse.ENOENT
	}
	if n.row.kind == socket {
		f.listen(&n)
	}
	return f.entry(&n, out)
}

// has tells whether what stands in a row is there: sockets can be missing.
func (f *FS) has(r *row) bool { return r.kind != socket || f.sockets.ready.Load() }

// entry answers with a node, which the kernel knows from then on.
func (f *FS) entry(n *node, out *fuse.EntryOut) fuse.Status {
	if !f.known.enter(n) {
		return fuse.Status(unix.ENOSPC)
	}
	if n.net != nil && f.ended(n.net) {
		f.known.forget(n.id, 1) // it ended before it was known
		return fuse.ENOENT
	}
	*out = fuse.EntryOut{NodeId: n.id}
	f.attr(n, &out.Attr)
	switch {
	case n.row.live:
		out.Size = lookupSize // no text is made for a mere look
	case n.row.isText():
		setSize(&out.Attr, len(n.row.read(f, n)))
	}
	return fuse.OK
}

// Forget notes that the kernel has forgotten so many lookups of a node.
func (f *FS) Forget(id, lookups uint64) { f.known.forget(id, lookups) }

// StatFs shows the memory for queued frames as blocks and the ports as files.
func (f *FS) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const block = 4096
	limits, used := f.bus.Limits(), f.bus.Memory.Waiting()
	*out = fuse.StatfsOut{
		Bsize: block, Frsize: block, NameLen: bus.MaxName,
		Blocks: uint64(limits.Memory / block), Bfree: uint64(max(0, limits.Memory-used) / block),
		Files: uint64(limits.Ports), Ffree: uint64(max(0, limits.Ports-f.bus.PortsUsed())),
	}
	out.Bavail = out.Bfree
	return fuse.OK
}

// Access is not asked: the kernel checks the modes (default_permissions).
func (f *FS) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

// Fsync succeeds, for programs that insist.
func (f *FS) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

// Flush succeeds, as Fsync does.
func (f *FS) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// FsyncDir succeeds, as Fsync does.
func (f *FS) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

// Fallocate cannot be.
func (f *FS) Fallocate(<-chan struct{}, *fuse.FallocateIn) fuse.Status {
	return fuse.Status(unix.EOPNOTSUPP)
}
