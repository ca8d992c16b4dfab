package ipn

import (
	"context"
	"sync"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "ipn", Summary: "another network of this mount", Open: open})
}

// dialer makes the links of a cable to the network of a name.
type dialer struct {
	name   string
	origin *cable.Origin
	near   *half

	mu sync.Mutex // may be held while a network's lock is taken
	// +checklocks:mu
	hangUp func() // ends the link that is up; nil: none is
}

var _ cable.Owner = (*dialer)(nil)

func open(l words.Locator, o *cable.Origin) (cable.Dialer, error) {
	if err := bus.CheckName(l.Rest); err != nil {
		return nil, fail.Errorf(fail.Invalid, "ipn://NET: %v", err)
	}
	if len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "ipn://NET takes no ?%s=", l.Args[0].Key)
	}
	return &dialer{name: l.Rest, origin: o}, nil
}

// Endpoint is cable.Owner's.
func (d *dialer) Endpoint(p *cable.Plug, ended func(reason string)) (cable.Endpoint, error) {
	if p.Network().Name() == d.name {
		return nil, fail.Errorf(fail.Invalid, "%s would be joined to itself", d.name)
	}
	d.near = &half{user: d.origin.By.UID, gone: func() { ended("removed") }}
	d.near.resize = func(mtu int) {
		if far := d.near.far.Load(); far != nil {
			far.conn.SetMaxLen(mtu)
		}
	}
	return &end{half: d.near, d: d}, nil
}

// end is the half that is a cable's Endpoint.
type end struct {
	*half
	d *dialer
}

var _ cable.Endpoint = (*end)(nil)

// Conn is cable.Endpoint's.
func (e *end) Conn() *bus.Conn { return e.conn }

// Close is cable.Endpoint's.
func (e *end) Close() {
	e.d.disconnect()
	if e.conn != nil {
		e.conn.Close()
	}
}

// Close is cable.Dialer's.
func (d *dialer) Close() { d.disconnect() }

// Dial is cable.Dialer's.
func (d *dialer) Dial(_ context.Context, p *cable.Plug) (*cable.Link, error) {
	d.disconnect()
	n := p.Network().Bus().Network(d.name)
	if n == nil {
		return nil, fail.Errorf(fail.Unknown, "there is no network %s", d.name)
	}
	if n == p.Network() {
		return nil, fail.Errorf(fail.Invalid, "%s would be joined to itself", d.name)
	}
	recv, send, err := d.rights(n)
	if err != nil {
		return nil, err
	}
	free, err := claim(p.Network(), n)
	if err != nil {
		return nil, err
	}
	k := &cable.Link{Peer: "ipn://" + d.name, MaxLen: n.MTU()}
	far := &half{user: d.near.user, resize: p.SetMaxLen, gone: func() {
		p.Broken(k, fail.Errorf(fail.Gone, "the port in %s was removed", n.Name()))
		go d.disconnect()
	}}
	o := bus.JoinOptions{Recv: recv, Send: send, Brings: true, MaxLen: p.Network().MTU(), Offload: true, Hops: true, Info: d.origin.By.Info}
	o.Info.Kind, o.Info.Detail, o.Info.Since = "ipn", "ipn://"+p.Network().Name(), time.Now()
	if _, err := n.Join(far, o); err != nil {
		free()
		return nil, err
	}
	leave, err := p.Stand(far.conn.Port())
	if err == nil {
		far.far.Store(d.near)
		d.near.far.Store(far)
	}
	d.mu.Lock()
	d.hangUp = func() {
		d.near.far.Store(nil)
		far.far.Store(nil)
		far.conn.Close()
		leave()
		free()
	}
	d.mu.Unlock()
	return k, err
}

// disconnect ends the link that is up, if one is.
func (d *dialer) disconnect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hangUp != nil {
		d.hangUp()
		d.hangUp = nil
	}
}

// rights tells what who laid the cable may do on n, by what he was then and the modes as
// they are now.
func (d *dialer) rights(n *bus.Network) (recv, send bool, err error) {
	who := d.origin.By.Rights
	dir, door := n.Access()
	if !dir.AllowsSearch(who) {
		return false, false, fail.Errorf(fail.Denied, "uid %d has no x on %s", who.UID, n.Name())
	}
	recv, send = door.Allows(who, bus.MayReceive), door.Allows(who, bus.MaySend)
	if !recv && !send {
		err = fail.Errorf(fail.Denied, "uid %d has neither r nor w on %s/port", who.UID, n.Name())
	}
	return recv, send, err
}
