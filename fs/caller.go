package fs

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// groupsOf returns the supplementary groups of a thread that waits for us; none
// of one outside our pid namespace.
func groupsOf(thread uint32) (groups []uint32) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(thread)) + "/status")
	if err != nil {
		return nil
	}
	_, list, _ := strings.Cut(string(status), "\nGroups:")
	list, _, _ = strings.Cut(list, "\n")
	for _, word := range strings.Fields(list) {
		if gid, err := strconv.ParseUint(word, 10, 32); err == nil {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}

// callerInfo tells who makes a request. The kernel names the thread; /proc
// knows its process and its name. That is safe from reuse of the number while
// the request is served, as the caller waits for it. A caller outside our pid
// namespace stays unknown.
func callerInfo(in *fuse.InHeader) bus.Info {
	info := bus.Info{UID: in.Uid, GID: in.Gid, PID: in.Pid, Since: time.Now()}
	if in.Pid == 0 {
		return info
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(in.Pid)) + "/status")
	if err != nil {
		return info
	}
	for _, line := range strings.SplitN(string(status), "\n", 8) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			info.Comm = strings.Clone(value)
		case "Tgid":
			if pid, err := strconv.ParseUint(value, 10, 32); err == nil {
				info.PID = uint32(pid)
			}
		}
	}
	return info
}
