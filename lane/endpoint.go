package lane

import (
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// Config describes an endpoint.
type Config struct {
	// Sources bring and take its frames. Several are queues of one device, such
	// as a multi-queue tap's, and must be Lossy: frames of one pair of hosts go
	// to one of them.
	Sources []Source
	// Lossy is for a descriptor that takes or loses at once what is written, as
	// an interface does. Frames never queue in the port then; what Write does not
	// take is lost. Write is called on the threads of all senders, at once.
	Lossy bool
	// Ended is called once if the endpoint ended otherwise than by Close: its
	// port was removed, or a source ended, as reason says. All is closed by then.
	// It must not call Close.
	Ended func(reason string)
	// As is what joins in Start, if it is not the endpoint itself: one that embeds it.
	As func(*Endpoint) bus.Endpoint
}

// Endpoint is what is attached to a port by sources.
type Endpoint struct {
	conn    *bus.Conn
	sources []*source
	lossy   bool
	ended   func(reason string)

	ending atomic.Bool
	done   chan struct{} // closed at the end

	mu     sync.RWMutex // held for reading while a Lossy one's frames are written
	closed bool
}

var _ bus.Endpoint = (*Endpoint)(nil)

// Start makes the sources an endpoint of n. It owns them if it succeeds: their
// drivers close them.
func Start(n *bus.Network, c Config, o bus.JoinOptions) (*Endpoint, error) {
	e, err := New(c)
	if err != nil {
		return nil, err
	}
	var as bus.Endpoint = e
	if c.As != nil {
		as = c.As(e)
	}
	if _, err := n.Join(as, o); err != nil {
		e.leave()
		return nil, err
	}
	e.Serve()
	return e, nil
}

// New makes an endpoint that owns its sources, for who joins it by himself, so
// as to stand between it and its port: n.Join, then Serve.
func New(c Config) (*Endpoint, error) {
	if len(c.Sources) == 0 || len(c.Sources) > 1 && !c.Lossy {
		panic("lane: an endpoint has one source, or several that are Lossy")
	}
	e := &Endpoint{lossy: c.Lossy, ended: c.Ended, done: make(chan struct{})}
	for _, from := range c.Sources {
		l, err := deal()
		if err != nil {
			e.leave()
			return nil, fail.Errorf(fail.NoSpace, "no thread for %d sources: %v", len(c.Sources), err)
		}
		e.sources = append(e.sources, &source{Source: from, ep: e, lane: l, burst: 1})
	}
	return e, nil
}

// Serve lets frames come in. The endpoint has joined.
func (e *Endpoint) Serve() {
	for _, s := range e.sources {
		s.want(in, 0)
	}
}

// Conn returns what the endpoint has joined as.
func (e *Endpoint) Conn() *bus.Conn { return e.conn }

// Close takes the endpoint off its network and ends its sources. No call of a
// driver, a timer or Ended comes after it. None of those may call it.
func (e *Endpoint) Close() {
	if e.ending.CompareAndSwap(false, true) {
		e.release()
		close(e.done)
	}
	<-e.done
}

// fail ends the endpoint from within its own or the network's calls. It does not
// wait for anything: a source that has its turn may have called it.
func (e *Endpoint) fail(reason string) {
	if !e.ending.CompareAndSwap(false, true) {
		return
	}
	go func() {
		e.release()
		if e.ended != nil {
			e.ended(reason)
		}
		close(e.done)
	}()
}

// release gives all back. After conn.Close nobody claims, and after close
// nothing is read, nor written from the queue.
func (e *Endpoint) release() {
	if e.conn != nil {
		e.conn.Close()
	}
	for _, s := range e.sources {
		s.close()
	}
	e.mu.Lock()
	e.closed = true
	for _, s := range e.sources {
		s.Driver.Close()
	}
	e.mu.Unlock()
	e.leave()
}

// leave gives the lanes back.
func (e *Endpoint) leave() {
	for _, s := range e.sources {
		s.lane.remove(s)
		s.lane.leave()
	}
}

// Attach is bus.Endpoint's. From now on the lanes know the sources.
func (e *Endpoint) Attach(c *bus.Conn) {
	e.conn = c
	for _, s := range e.sources {
		s.lane.add(s)
	}
}

// Gone is bus.Endpoint's: the port was removed, or the network.
func (e *Endpoint) Gone() { e.fail("removed") }
