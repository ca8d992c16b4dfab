package fs

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

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
