package iface

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
)

// Changed is link.Listener's: it tells the network what changed.
func (a *attachment) Changed(f link.Facts) {
	a.mu.Lock()
	before := a.facts
	a.facts = f
	a.mu.Unlock()
	a.device.SetLink(state(f) == "up")
	if f.Name != before.Name {
		a.event("link-renamed", "from=%s", fail.Quote(before.Name))
	}
	if f.MTU != before.MTU {
		a.device.SetMTU(f.MTU)
		if v, ok := a.holder.(*veth); ok {
			v.resized(f.MTU)
		}
		a.event("link-mtu", "mtu=%d", f.MTU)
	}
	switch was, is := state(before), state(f); {
	case was == is:
	case is == "up":
		a.event("link-up", "")
	case was == "up" || is == "down":
		a.event("link-down", "state=%s", is)
	}
}

// state is what List calls it.
func state(f link.Facts) string {
	switch {
	case !f.Up:
		return "down"
	case !f.Carrier:
		return "no-carrier"
	}
	return "up"
}

func (a *attachment) event(name, format string, args ...any) {
	line := fmt.Sprintf("name=%s port=%d", fail.Quote(a.known().Name), a.port())
	if format != "" {
		line += " " + fmt.Sprintf(format, args...)
	}
	a.net.Event(name, "%s", line)
}

// line is what List shows.
func (a *attachment) line(names map[netns.ID]string) string {
	path := a.path()
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	f := &a.facts
	is, where := state(*f), label(names, a.ns)
	if a.away {
		is, where = "moved", "unknown"
	}
	fmt.Fprintf(&b, "%s port=%d state=%s netns=%s mac=%v mtu=%d", fail.Quote(f.Name), a.port(), is, fail.Quote(where), f.MAC, f.MTU)
	b.WriteString(a.options)
	if f.Tun.Persist {
		b.WriteString(" persist")
	}
	b.WriteString(path)
	return b.String()
}

// path is how frames go, as List shows it; empty: never but by user space.
func (a *attachment) path() string {
	why := a.noPlane
	switch {
	case a.shortcut != nil:
		why = a.shortcut.Path()
	case why == "":
		return ""
	}
	if why == "" {
		return " path=kernel"
	}
	return " path=user " + fail.Quote(why)
}

// label is how a namespace is shown: by its name, or else by its number.
func label(names map[netns.ID]string, id netns.ID) string {
	if name, ok := names[id]; ok {
		return name
	}
	return id.String()
}
