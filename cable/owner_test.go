package cable

import (
	"strings"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/words"
)

// owner is a Dialer that makes the endpoint of its port.
type owner struct {
	*fake
	end   ownEnd
	ended func(reason string)
}

// ownEnd is an endpoint that keeps what it gets.
type ownEnd struct {
	bustest.Recorder
	closed atomic.Int64
}

func (e *ownEnd) Close() {
	e.closed.Add(1)
	if c := e.Conn(); c != nil {
		c.Close()
	}
}

var _ Owner = (*owner)(nil)

// Endpoint is Owner's.
func (o *owner) Endpoint(p *Plug, ended func(reason string)) (Endpoint, error) {
	if o.locator.Rest == "none" {
		return nil, fail.Errorf(fail.Unknown, "there is nothing to join")
	}
	if p.Name() == "" || p.Network() == nil {
		return nil, fail.Errorf(fail.Invalid, "the plug is not ready")
	}
	o.ended = ended
	return &o.end, nil
}

var owners = make(chan *owner, 10)

func init() {
	Register(Scheme{Name: "own", Open: func(l words.Locator, _ *Origin) (Dialer, error) {
		o := &owner{fake: &fake{locator: l, next: make(chan answer, 10)}}
		owners <- o
		return o, nil
	}})
}

// A cable may be no descriptor: it has the same states, and ends as any.
func TestOwner(t *testing.T) {
	l := newLab(t)
	if err := (attacher{}).Attach(l.Net, self(t), "own://none"); fail.KindOf(err) != fail.Unknown || l.list() != "" {
		t.Errorf("what joins nothing: %v", err)
	}
	if o := <-owners; o.closed.Load() != 1 || o.end.closed.Load() != 0 {
		t.Error("its dialer is not closed")
	}
	if err := (attacher{}).Attach(l.Net, self(t), "own://x port=1"); fail.KindOf(err) != fail.Busy {
		t.Errorf("a port that is held: %v", err)
	}
	if o := <-owners; o.closed.Load() != 1 || o.end.closed.Load() != 1 {
		t.Error("its endpoint or dialer is not closed")
	}
	for end, do := range map[string]func(*owner, *cable) error{
		"detached": func(_ *owner, c *cable) error { return attacher{}.Detach(l.Net, self(t), c.name) },
		"removed":  func(o *owner, _ *cable) error { return l.Net.RemovePort(o.end.Conn().Port().Number()) },
		"ended":    func(*owner, *cable) error { return nil },
	} {
		if err := (attacher{}).Attach(l.Net, self(t), "own://x"); err != nil {
			t.Fatal(err)
		}
		o, c := <-owners, cables(l.Net)[0]
		k := &Link{Peer: "other"}
		o.next <- answer{link: k}
		l.await(c, "up")
		bustest.Send(l.peer, []byte("x"))
		if len(o.end.Frames()) != 1 || !strings.Contains(l.list(), "own0 port=2 state=up peer=other") {
			t.Errorf("%s: %d frames came; it shows %q", end, len(o.end.Frames()), l.list())
		}
		o.plug.Load().Broken(k, errFake)
		l.await(c, "down")
		o.next <- answer{link: &Link{}}
		l.await(c, "up")
		if err := do(o, c); err != nil {
			t.Fatal(err)
		}
		if end != "detached" {
			o.ended("gone")
		}
		l.gone(c, o.fake)
		if o.end.closed.Load() != 1 || len(l.Net.Ports()) != 1 {
			t.Errorf("%s: closed %d times, ports %v", end, o.end.closed.Load(), l.Net.Ports())
		}
	}
}

var _ bus.Endpoint = (*ownEnd)(nil)
