package vxlan

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ipnfs/cable"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// dialer makes the socket. There is nobody to connect to: a link is up until the cable
// ends, or the socket does.
type dialer struct{ config }

var _ cable.Dialer = (*dialer)(nil)

// Close is cable.Dialer's.
func (d *dialer) Close() {}

// Dial is cable.Dialer's.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	peers, err := d.resolve(ctx, p.Origin())
	if err != nil {
		return nil, err
	}
	far := peers
	if d.group.IsValid() {
		far = append(slices.Clone(peers), d.group)
	}
	k, err := newLink(p.Network().Memory(), d.vni, d.port)
	if err != nil {
		return nil, err
	}
	k.anybody = d.learn && d.group.IsValid()
	k.out.Family = udp.Family(far[0])
	var probe int
	var all []udp.Addr
	err = p.Origin().Do(func() (err error) {
		all, probe, err = d.connect(k, far)
		return err
	})
	if err != nil {
		k.close()
		return nil, err
	}
	for _, a := range all[:len(peers)] {
		k.peers[a.WithPort(0)] = true
	}
	if k.flood = all; d.group.IsValid() {
		k.flood = all[len(peers):]
	}
	var longest int
	k.path, longest, err = udp.NewPath(probe, all, func(bytes int) { p.SetMaxLen(k.setLongest(bytes)) })
	if err != nil {
		k.close()
		return nil, err
	}
	if d.learn && (len(peers) > 1 || d.group.IsValid()) {
		k.table = newTable(p.Network().Memory())
	}
	return &cable.Link{Source: lane.Source{FD: k.fd, Driver: k}, Peer: names(k.flood), MaxLen: k.setLongest(longest)}, nil
}

// connect makes the sockets, on a thread that is where the peers are seen from.
func (d *dialer) connect(k *link, far []netip.Addr) (all []udp.Addr, probe int, err error) {
	c := udp.Config{
		Local: netip.AddrPortFrom(udp.Any(far[0]), d.port), Device: d.device, Group: d.group,
		NoChecksum: d.noChecksum, TTL: d.ttl, Memory: udp.Room,
	}
	if c.Scope, err = udp.Scope(far...); err != nil {
		return nil, -1, err
	}
	if d.device != "" {
		if c.Scope, err = udp.Index(d.device); err != nil {
			return nil, -1, err
		}
	}
	for _, a := range far {
		scope := uint32(0)
		if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
			scope = c.Scope
		}
		all = append(all, udp.AddrOf(netip.AddrPortFrom(a, d.port), scope))
	}
	k.fd, probe, err = udp.OpenPair(c)
	return all, probe, err
}

// resolve finds the addresses of the peers: of each host the first one of the family
// that the group, or else the first host, has.
func (d *dialer) resolve(ctx context.Context, o *cable.Origin) (peers []netip.Addr, err error) {
	family := d.group
	for _, host := range d.peers {
		list, err := o.Resolve(ctx, host)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(a netip.Addr) bool { return !family.IsValid() || a.Unmap().Is4() == family.Is4() })
		if i < 0 {
			return nil, fmt.Errorf("%s has no address of the family of %v", host, family)
		}
		family = list[i].Unmap()
		peers = append(peers, family)
	}
	return peers, nil
}

// names lists who gets what is for all, for people.
func names(list []udp.Addr) string {
	const most = 3
	var b strings.Builder
	for i, a := range list {
		switch {
		case i == most:
			fmt.Fprintf(&b, ",+%d", len(list)-most)
			return b.String()
		case i > 0:
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	return b.String()
}
