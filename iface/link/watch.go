package link

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// Listener is told what becomes of an interface that is watched. The calls
// come one after the other, also those for other interfaces, so they must not
// take long, and not call Observe.
type Listener interface {
	// Changed tells the facts, when any may be other ones.
	Changed(Facts)
	// Left tells that the interface is not to be found in its namespace any
	// more: it was moved to another one, or else it, or the whole namespace,
	// is deleted. In doubt it is told though nothing happened; moved is only
	// true if it is sure.
	Left(moved bool)
}

// Watch is a Listener's subscription to one interface.
type Watch struct {
	hub      *hub
	listener Listener
	nsid     int
	index    int

	// Guarded by hub.mu.
	seq   uint32     // of the question that is not answered yet; 0: none
	stale bool       // to be asked for again
	first chan Facts // takes the first answer; nil once it has come
}

// shared is the hub while there are watches.
var shared struct {
	sync.Mutex
	// +checklocks:Mutex
	*hub
}

// Observe begins to watch an interface and returns its facts; what changes
// them later is told to l. The error is ENODEV if there is none.
func Observe(ns *netns.NS, index int, l Listener) (w *Watch, f Facts, err error) {
	// The end of a namespace may be told when its id is another's already, to
	// whom it means nothing.
	for range 10 {
		if w, f, err = observe(ns, index, l); !errors.Is(err, unix.ENODEV) {
			return w, f, err
		}
		if _, gone := At(ns, index); gone != nil {
			break
		}
	}
	return nil, Facts{}, err
}

func observe(ns *netns.NS, index int, l Listener) (*Watch, Facts, error) {
	first := make(chan Facts, 1)
	w := &Watch{listener: l, index: index, first: first}
	if err := w.enter(ns); err != nil {
		return nil, Facts{}, err
	}
	if err := w.hub.ask(w); err != nil {
		w.Close()
		return nil, Facts{}, err
	}
	f, found := <-first
	if !found {
		w.Close()
		return nil, Facts{}, unix.ENODEV
	}
	return w, f, nil
}

func (w *Watch) enter(ns *netns.NS) error {
	shared.Lock()
	defer shared.Unlock()
	if shared.hub == nil {
		s, err := openSocket()
		if err != nil {
			return err
		}
		shared.hub = &hub{socket: s, watches: map[*Watch]struct{}{}}
		go shared.hub.run()
	}
	w.hub = shared.hub
	nsid, err := w.hub.id(ns)
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.nsid = nsid
	if err == nil {
		w.hub.watches[w] = struct{}{}
	}
	closeIfIdle()
	return err
}

// Close ends the subscription; a call of the listener may be under way.
func (w *Watch) Close() {
	shared.Lock()
	defer shared.Unlock()
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watches, w)
	if w.hub == shared.hub {
		closeIfIdle()
	}
}

// closeIfIdle ends the shared hub if nothing is watched; both locks are held.
//
// +checklocks:shared.Mutex
func closeIfIdle() {
	if len(shared.watches) == 0 { // +checklocksignore: hub.mu is held, by another name
		shared.close() // +checklocksignore: and so is shared.Mutex
		shared.hub = nil
	}
}

func (w *Watch) is(nsid, index int) bool { return w.nsid == nsid && w.index == index }

// answer takes the answer to ask.
func (w *Watch) answer(m *syscall.NetlinkMessage) {
	f, ok := parse(m.Data)
	if m.Header.Type != unix.RTM_NEWLINK || !ok {
		w.left(false)
		return
	}
	if first := w.begin(); first != nil {
		first <- f
		return
	}
	w.listener.Changed(f)
}

// left tells that the interface is gone, or lets Observe fail.
func (w *Watch) left(moved bool) {
	if first := w.begin(); first != nil {
		close(first)
		return
	}
	w.listener.Left(moved)
}

// begin returns the channel for the first answer, once.
func (w *Watch) begin() chan Facts {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	first := w.first
	w.first = nil
	return first
}
