package cable

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

// status is what people are told of a cable.
type status struct {
	state   string // up, connecting or down
	reason  string // of down
	since   time.Time
	retries int
	peer    string
	maxLen  int // of the link; 0: any
}

func (c *cable) event(name, format string, args ...any) {
	c.net.Event(name, "name=%s port=%d %s", fail.Quote(c.name), c.port().Number(), fmt.Sprintf(format, args...))
}

func (c *cable) up(k *link) {
	c.mu.Lock()
	c.link = k
	c.status.state, c.status.reason, c.status.since, c.status.peer = "up", "", time.Now(), k.Peer
	c.mu.Unlock()
	c.setMaxLen(k.MaxLen)
	c.event("cable-up", "peer=%s", fail.Quote(k.Peer))
}

func (c *cable) down(err error) {
	why := reason(err)
	c.mu.Lock()
	again := c.status.state == "down" && c.status.reason == why
	if !again {
		c.status.since = time.Now()
	}
	c.status.state, c.status.reason = "down", why
	c.mu.Unlock()
	if !again {
		c.event("cable-down", "reason=%s", fail.Quote(why))
	}
}

// retry notes one more attempt. The state stays what the last one came to.
func (c *cable) retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.retries++
}

// setMaxLen notes the longest frame that the link can carry.
func (c *cable) setMaxLen(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.maxLen = bytes
	if c.maxLen != 0 {
		bytes = min(c.maxLen, cmp.Or(bytes, c.maxLen))
	}
	c.end.Conn().SetMaxLen(bytes)
}

// show is what List shows.
func (c *cable) show(names map[netns.ID]string) string {
	c.mu.Lock()
	s := c.status
	c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s port=%d state=%s", fail.Quote(c.name), c.port().Number(), s.state)
	if s.reason != "" {
		fmt.Fprintf(&b, " reason=%s", fail.Quote(s.reason))
	}
	if s.peer != "" {
		fmt.Fprintf(&b, " peer=%s", fail.Quote(s.peer))
	}
	longest := c.net.MTU()
	for _, limit := range []int{s.maxLen, c.maxLen} {
		if limit > 0 {
			longest = min(longest, limit)
		}
	}
	count := c.port().Stats()
	fmt.Fprintf(&b, " since=%s retries=%d mtu=%d in=%d out=%d dropped=%d", bus.Stamp(s.since), s.retries, longest, count.Frames, count.Received, count.Dropped())
	if n, ok := c.dialer.(Noter); ok {
		fmt.Fprintf(&b, " %s", n.Note())
	}
	if c.group != "" {
		fmt.Fprintf(&b, " group=%s", c.group)
	}
	where := c.origin.ns.ID()
	name, ok := names[where]
	if !ok {
		name = where.String()
	}
	fmt.Fprintf(&b, " netns=%s %s", fail.Quote(name), c.locator)
	return b.String()
}

// save is the command that lays the cable again, or nothing if its namespace has no
// name by which it could be found, or if who lays it again would not be confined as who
// laid it.
func (c *cable) save(names map[netns.ID]string) string {
	where, ok := names[c.origin.ns.ID()]
	if !ok || c.origin.confined() || strings.ContainsAny(where, " \t") {
		return ""
	}
	text := fmt.Sprintf("%s port=%d name=%s", c.locator, c.port().Number(), c.name)
	if c.group != "" {
		text += " group=" + c.group
	}
	if c.maxLen != 0 {
		text += fmt.Sprintf(" mtu=%d", c.maxLen)
	}
	if where != "" {
		text += " netns=" + where
	}
	return text
}
