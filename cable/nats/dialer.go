package nats

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/cable"
	"ipnfs/words"
)

const (
	// pingEvery is how often a server is asked whether it is there; two answers may be
	// missing.
	pingEvery = 5 * time.Second
	// stuckAfter is how long a server may take nothing of what is sent.
	stuckAfter = 6 * time.Second
	// tickEvery is how often what is old is looked for, and keepFor after how many of
	// those a station or a sender of whom nothing was heard is forgotten: 300 s.
	tickEvery = 5 * time.Second
	keepFor   = 60
	// linkCost is what a connection takes in bytes: buffers, and five goroutines.
	linkCost = 192 << 10
)

// dialer is a cable.
type dialer struct {
	config *config
	secret *secrets
	id     uint64
	prefix string // of its subjects

	// Since the first Dial.
	plug  *cable.Plug
	guard guard
	table *table
	all   node // the subject of all

	at        int // the server to try first
	published uint64
	messages  uint64
	slow      atomic.Int64

	learns atomic.Bool   // the policy learns addresses
	life   atomic.Uint64 // of the policy that learns says it of

	mu     sync.Mutex
	ticker *time.Timer // nil: not started, or closed
}

var (
	_ cable.Dialer = (*dialer)(nil)
	_ cable.Noter  = (*dialer)(nil)
)

func open(l words.Locator, o *cable.Origin) (*dialer, error) {
	c, err := read(l)
	if err != nil {
		return nil, err
	}
	d := &dialer{config: c, prefix: "ipnfs." + c.subject + "."}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	d.id = binary.BigEndian.Uint64(id[:])
	d.all = node{subject: d.prefix + "all"}
	d.table = newTable(d.subject)
	d.guard = guard{own: d.id, streams: map[streamKey]*track{}}
	d.secret, err = load(c, o)
	return d, err
}

// subject is that of a node.
func (d *dialer) subject(sender uint64) string {
	return fmt.Sprintf("%snode.%016x", d.prefix, sender)
}

func (d *dialer) memory() *frame.Memory { return d.plug.Network().Memory() }

// Dial is cable.Dialer's: it tries each server once, from that on which follows the one
// that was used last.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (k *cable.Link, err error) {
	d.start(p)
	servers := d.config.servers
	patience := max(bus.Patience/time.Duration(len(servers)), 2*time.Second)
	var failed []string
	for range servers {
		server := servers[d.at%len(servers)]
		d.at++
		if k, err = d.connect(ctx, server, patience); err == nil {
			return k, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(servers) > 1 {
			err = fmt.Errorf("%s: %w", server, err)
		}
		failed = append(failed, plain(err))
	}
	return nil, fail.Errorf(fail.Unknown, "%s", strings.Join(failed, "; "))
}

// start is what the first Dial does.
func (d *dialer) start(p *cable.Plug) {
	if d.plug == nil {
		d.plug = p
		d.table.memory = d.memory()
		d.mu.Lock()
		d.ticker = time.AfterFunc(tickEvery, d.tick)
		d.mu.Unlock()
	}
	d.look()
}

// connect makes a link to a server.
func (d *dialer) connect(ctx context.Context, server string, patience time.Duration) (*cable.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l := &link{dialer: d, direct: d.subject(d.id), written: make(chan struct{})}
	conn, err := d.plug.Origin().Dial(ctx, server)
	if err != nil {
		return nil, err
	}
	if err := impatient(conn, stuckAfter); err != nil {
		conn.Close()
		return nil, err
	}
	w, err := greet(ctx, d.plug.Origin().InTurns(conn), d.secret.configFor(server), d.config.secure, l)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	k, err := l.open(w, server, patience)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return k, nil
}

// look looks at the policy.
func (d *dialer) look() {
	n := d.plug.Network()
	life := n.PolicyLife()
	name := n.Policy().Name()
	if life != n.PolicyLife() {
		return // the next time
	}
	learns := name == "switch" || name == "l3switch"
	d.learns.Store(learns)
	d.life.Store(life)
	if !learns {
		d.table.leave("")
	}
}

// switching tells whether frames for a station go to its node alone. It is false while
// that is not sure.
func (d *dialer) switching() bool {
	return d.learns.Load() && d.life.Load() == d.plug.Network().PolicyLife()
}

// learn notes that frames came from a node.
func (d *dialer) learn(frames []frame.Frame, sender uint64) {
	if len(frames) == 0 || !d.switching() {
		return
	}
	d.table.mu.Lock()
	defer d.table.mu.Unlock()
	var last []byte
	for i := range frames {
		data := frames[i].Data()
		if len(data) < etherLen || len(last) >= taggedLen && len(data) >= taggedLen && bytes.Equal(last[6:taggedLen], data[6:taggedLen]) {
			continue // the same station
		}
		d.table.learnLocked(data, sender)
		last = data
	}
}

// tick is called from time to time.
func (d *dialer) tick() {
	d.look()
	d.table.forget(keepFor)
	d.guard.forget(d.memory(), keepFor)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ticker != nil {
		d.ticker.Reset(tickEvery)
	}
}

// Note is cable.Noter's.
func (d *dialer) Note() string {
	lost, twice := d.guard.counts()
	return fmt.Sprintf("stations=%d lost=%d slow=%d twice=%d", d.table.count(), lost, d.slow.Load(), twice)
}

// Close is cable.Dialer's.
func (d *dialer) Close() {
	d.mu.Lock()
	if d.ticker != nil {
		d.ticker.Stop()
		d.ticker = nil
	}
	d.mu.Unlock()
	if d.plug != nil {
		d.table.leave("")
		d.guard.clear(d.memory())
	}
	d.secret.forget()
}

// plain is an error for people.
func plain(err error) string {
	var call *os.SyscallError
	switch {
	case errors.Is(err, io.EOF):
		return "the server hung up"
	case errors.As(err, &call):
		return call.Error()
	}
	return strings.TrimPrefix(err.Error(), "nats: ")
}

func eventfd(value uint) (fd int, err error) {
	return unix.Eventfd(value, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
}
