package netns

import (
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/creds"
)

// maxThreads is how many threads work for onOwnThread at once. The kernel lets
// only one change or look up interfaces at a time, so more would gain nothing.
const maxThreads = 16

var (
	slots = make(chan struct{}, maxThreads)
	// own are the ids of the threads that work, so that a call from within f is
	// known: no other goroutine runs on such a thread.
	own sync.Map
)

// onOwnThread runs f on a thread that ends afterwards, so that f may change
// its namespaces and credentials. If maxThreads of them are at work it waits,
// and costs no thread meanwhile. A call from within f does not wait, as f has
// its slot; but f must not wait for a call of another goroutine.
func onOwnThread(f func() error) error {
	if _, within := own.Load(unix.Gettid()); !within {
		slots <- struct{}{}
		defer func() { <-slots }()
	}
	return creds.OnOwnThread(func() error {
		id := unix.Gettid()
		own.Store(id, nil)
		defer own.Delete(id)
		return f()
	})
}
