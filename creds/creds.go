// Package creds asks /proc what a thread may do: its groups, and those of its
// capabilities that count here.
package creds

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"ipnfs/bus"
)

// Of returns the credentials of a thread whose ids the kernel told. thread is
// its number in our pid namespace, or 0 if it has none there; it must be one
// that waits for us, so that the number is not another's meanwhile.
func Of(thread, uid, gid uint32) bus.Credentials {
	c := bus.Credentials{UID: uid, GID: gid}
	if thread == 0 || !ownNumbers() {
		return c
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return c
	}
	c.Known = true
	c.Effective, c.Groups = parseStatus(string(status))
	if !sameUserNamespace(thread) {
		c.Effective = 0
	}
	return c
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
