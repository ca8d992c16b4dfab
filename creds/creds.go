// Package creds tells who a caller is and what he may do, as one value
// (bus.Caller): of the thread behind a request by /proc, and of the peer of a unix
// socket by the socket. It lets a thread act as a caller.
package creds

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"ipnfs/bus"
)

// Of returns who makes a request, and what he may do. The kernel told his ids;
// thread is his number in our pid namespace, or 0 if it has none there. It must be
// one that waits for us, so that the number is not another's meanwhile.
func Of(thread, uid, gid uint32) bus.Caller {
	c, status, ok := identify(thread, uid, gid)
	if !ok {
		return c
	}
	c.Rights.Known, c.Rights.Thread = true, thread
	c.Rights.Effective, c.Rights.Groups = parseStatus(status)
	if !sameUserNamespace(thread) {
		c.Rights.Effective = 0
	}
	return c
}

// Info is the part of Of that only names the caller. It takes less time.
func Info(thread, uid, gid uint32) bus.Info {
	c, _, _ := identify(thread, uid, gid)
	return c.Info
}

// identify tells what Of is given, and the process and its name by the thread's
// status. ok is false if it cannot be asked.
func identify(thread, uid, gid uint32) (c bus.Caller, status string, ok bool) {
	c.Info = bus.Info{UID: uid, GID: gid, PID: thread, Since: time.Now()}
	c.Rights = bus.Credentials{UID: uid, GID: gid}
	if thread == 0 || !ownNumbers() {
		return c, "", false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return c, "", false
	}
	status = string(text)
	for _, line := range strings.SplitN(status, "\n", 8) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			c.Comm = strings.Clone(value)
		case "Tgid":
			if pid, err := strconv.ParseUint(value, 10, 32); err == nil {
				c.PID = uint32(pid)
			}
		}
	}
	return c, status, true
}

// ownNumbers tells whether /proc numbers threads as the kernel does for us. It
// does not if it was mounted in another pid namespace: there a number is
// somebody else's.
var ownNumbers = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

func sameUserNamespace(thread uint32) bool {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/user", thread))
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/thread-self/ns/user")
	return err == nil && os.SameFile(theirs, ours)
}

// parseStatus reads the effective capabilities and the supplementary groups
// in /proc/TID/status.
func parseStatus(status string) (effective uint64, groups []int) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "CapEff":
			effective, _ = strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		case "Groups":
			for _, word := range strings.Fields(value) {
				if gid, err := strconv.ParseUint(word, 10, 32); err == nil {
					groups = append(groups, int(gid))
				}
			}
		}
	}
	return effective, groups
}
