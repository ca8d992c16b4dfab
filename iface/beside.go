package iface

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/plane"
)

// beside is a pair beside a grabbed interface, in the same namespace, spliced with it: so
// the interface is a port of the plane.
type beside struct {
	plane  *plane.Plane
	port   *plane.Port
	splice splice
	watch  *link.Watch // of the pair's other end
}

// besideMTU is the most that a pair can have: what is too long for the interface the
// plane finds out.
const besideMTU = 65535

// newBeside makes the pair. Until the last step the interface is as it was.
func newBeside(ns *netns.NS, f link.Facts, a *attachment) (b *beside, err error) {
	pl, err := plane.Load()
	if err != nil {
		return nil, err
	}
	b = &beside{plane: pl}
	if err := b.make(ns, f, a); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *beside) make(ns *netns.NS, f link.Facts, a *attachment) (err error) {
	var name string
	for _, name = range []string{"ipnfs-" + f.Name, fmt.Sprintf("ipnfs-%d", f.Index)} {
		if len(name) > maxName {
			continue
		}
		if b.port, err = b.plane.NewPort(ns, name); !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if b.watch, _, err = link.Observe(b.plane.NS(), b.port.Index(), &spliced{a, b}); err != nil {
		return err
	}
	return ns.Do(func() error {
		near, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		// It has no address, and greets nobody.
		err = netlink.LinkSetIP6AddrGenMode(near, nl.IN6_ADDR_GEN_MODE_NONE)
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return err
		}
		if err := netlink.LinkSetMTU(near, besideMTU); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(near); err != nil {
			return err
		}
		b.splice, err = newSplice(f.Index, near.Attrs().Index)
		return err
	})
}

// unsplice lets the interface go.
func (b *beside) unsplice() {
	b.splice.Close()
	b.splice = nil
}

func (b *beside) close() {
	b.unsplice()
	if b.watch != nil {
		b.watch.Close()
	}
	if b.port != nil {
		b.port.Close()
	}
}

// spliced is the link.Listener of the plane's end of a pair beside a's interface: if that
// goes, so does the port.
type spliced struct {
	a *attachment
	b *beside
}

var _ link.Listener = (*spliced)(nil)

// Changed is link.Listener's.
func (*spliced) Changed(link.Facts) {}

// Left is link.Listener's. It may be told though nothing happened.
func (s *spliced) Left(bool) { go s.look() }

func (s *spliced) look() {
	<-s.a.ready
	s.a.following.Lock()
	defer s.a.following.Unlock()
	if s.a.isEnded() {
		return // and so may the port's place be another's
	}
	if _, err := link.At(s.b.plane.NS(), s.b.port.Index()); errors.Is(err, unix.ENODEV) {
		s.a.end(lost)
	}
}
