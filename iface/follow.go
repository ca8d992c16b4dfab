package iface

import (
	"errors"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
)

// Left is link.Listener's.
func (a *attachment) Left(moved bool) { go a.follow(moved) }

// follow finds out where the interface is and watches it there. If it is
// nowhere that is the end.
func (a *attachment) follow(moved bool) {
	<-a.ready
	a.following.Lock()
	defer a.following.Unlock()
	for !a.isEnded() {
		ns, f, err := a.holder.locate()
		if errors.Is(err, unix.EPERM) {
			a.mu.Lock()
			was := a.away
			a.away = true
			a.mu.Unlock()
			if !was {
				a.event("link-moved", "netns=unknown")
			}
			if f.Index > 0 {
				a.device.SetLink(f.Carrier)
			}
			return
		}
		if err != nil {
			if moved {
				a.end(movedAway)
			} else {
				a.end(lost)
			}
			return
		}
		done := a.moveTo(ns, f)
		ns.Close()
		if done {
			return
		}
	}
}

// moveTo watches the interface in ns, if it is not watched there already. It
// returns false if it has gone on from there.
func (a *attachment) moveTo(ns *netns.NS, f link.Facts) bool {
	a.mu.Lock()
	same := !a.away && a.ns == ns.ID() && a.facts.Index == f.Index
	a.mu.Unlock()
	if same {
		return true
	}
	if a.observe(ns, f.Index) != nil {
		return false
	}
	a.reclaim(place{ns.ID(), f.Index})
	a.event("link-moved", "netns=%s", fail.Quote(label(netns.Names(), ns.ID())))
	return true
}
