package fs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/creds"
)

// errnos says which errno each kind of refusal is.
var errnos = map[fail.Kind]unix.Errno{
	fail.Invalid:     unix.EINVAL,
	fail.Unknown:     unix.ENOENT,
	fail.Busy:        unix.EBUSY,
	fail.Exists:      unix.EEXIST,
	fail.InUse:       unix.EADDRINUSE,
	fail.NoPort:      unix.EUSERS,
	fail.NoSpace:     unix.ENOSPC,
	fail.Range:       unix.ERANGE,
	fail.NameTooLong: unix.ENAMETOOLONG,
	fail.Denied:      unix.EPERM,
	fail.Gone:        unix.ENODEV,
	fail.TooLong:     unix.EMSGSIZE,
	fail.NoMemory:    unix.ENOBUFS,
	fail.Unsupported: unix.EOPNOTSUPP,
}

func statusOf(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if errno, ok := errnos[fail.KindOf(err)]; ok {
		return fuse.Status(errno)
	}
	return fuse.EIO
}

// errorLines is how many refusals of one user are remembered, and of all on one
// network; freeLines how many of those are not charged to it; rootLines how many
// are remembered of all on the mount; errorText how many bytes of a command are
// shown.
const (
	errorLines = 32
	freeLines  = 8
	rootLines  = 1024
	errorText  = 80
)

// errorLog is the last refusals, oldest first. Nobody can push out all those of
// another: where there is no room, who has most loses his oldest.
type errorLog struct {
	mem *frame.Memory // the network's, or nil

	mu sync.Mutex
	// +checklocks:mu
	max int // 0: the log is dropped
	// +checklocks:mu
	lines []refusal
}

// refusal is a line of a log.
type refusal struct {
	uid     uint32
	line    string
	charged int // bytes
}

// add notes a refusal, if there is memory for it.
func (l *errorLog) add(uid uint32, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max == 0 {
		return
	}
	of := map[uint32]int{}
	most := uid
	for _, r := range l.lines {
		if of[r.uid]++; of[r.uid] > of[most] {
			most = r.uid
		}
	}
	switch {
	case of[uid] >= errorLines:
		l.forget(uid)
	case len(l.lines) >= l.max:
		l.forget(most)
	}
	charged := 0
	if l.mem != nil && len(l.lines) >= freeLines {
		charged = len(line)
	}
	if charged == 0 || l.mem.ChargeTable(charged) {
		l.lines = append(l.lines, refusal{uid, line, charged})
	}
}

// forget drops the oldest line of a user. l.mu is held.
//
// +checklocks:l.mu
func (l *errorLog) forget(uid uint32) {
	i := slices.IndexFunc(l.lines, func(r refusal) bool { return r.uid == uid })
	l.refund(l.lines[i : i+1])
	l.lines = slices.Delete(l.lines, i, i+1)
}

func (l *errorLog) refund(lines []refusal) {
	for _, r := range lines {
		if r.charged > 0 {
			l.mem.RefundTable(r.charged)
		}
	}
}

func (l *errorLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearLocked()
}

// +checklocks:l.mu
func (l *errorLog) clearLocked() {
	l.refund(l.lines)
	l.lines = nil
}

// drop ends the log.
func (l *errorLog) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearLocked()
	l.max = 0
}

// text gives the lines of the users that show accepts.
func (l *errorLog) text(show func(uid uint32) bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, r := range l.lines {
		if show(r.uid) {
			b.WriteString(r.line)
		}
	}
	return b.String()
}

func everybody(uint32) bool { return true }

// refuse records a refusal in the root's errors and the network's, and gives
// the errno.
func (f *FS) refuse(n *node, caller *fuse.InHeader, command string, err error) fuse.Status {
	f.tell(n, caller.Uid, creds.Info(caller.Pid, caller.Uid, caller.Gid).PID, command, err)
	return statusOf(err)
}

// tell records what was refused to a process of that user.
func (f *FS) tell(n *node, uid, pid uint32, command string, err error) {
	line := func(path string) string {
		return fmt.Sprintf("%s %d %d %s: %s: %s\n", bus.Stamp(time.Now()), uid, pid, path, printable(command), printable(err.Error()))
	}
	f.errors.add(uid, line(n.path()))
	if n.net != nil {
		f.errorsOf(n.net).add(uid, line(n.localPath()))
	}
}

// told is bus.Bus.Told.
func (f *FS) told(net *bus.Network, by bus.Info, what string, err error) {
	if r := rowOf(bus.InNetwork, by.Kind); r != nil && !f.ended(net) {
		f.tell(&node{id: makeID(r, net, nil, 0), row: r, net: net}, by.UID, by.PID, what, err)
	}
}

// printable cuts s short and shows what is not printable as escapes, so that
// a refusal is always one line.
func printable(s string) string {
	cut := len(s) > errorText*4
	if cut {
		s = s[:errorText]
	}
	quoted := strconv.Quote(s)
	s = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if cut {
		s += "..."
	}
	return s
}

// netErrors are the logs of networks, each made at the first refusal.
type netErrors struct {
	mu sync.Mutex
	// +checklocks:mu
	logs map[*bus.Network]*errorLog
}

// errorsOf returns the network's log.
func (f *FS) errorsOf(net *bus.Network) *errorLog {
	f.netErrors.mu.Lock()
	defer f.netErrors.mu.Unlock()
	l := f.netErrors.logs[net]
	if l == nil {
		l = &errorLog{max: errorLines, mem: net.Memory()}
		f.netErrors.logs[net] = l
	}
	return l
}

// ended tells whether a network has ended.
func (f *FS) ended(net *bus.Network) bool { return f.bus.NetworkByID(net.ID()) != net }

// dropErrors drops the logs of networks that have ended. No lock is held while
// it looks.
func (f *FS) dropErrors() {
	f.netErrors.mu.Lock()
	logs := maps.Clone(f.netErrors.logs)
	f.netErrors.mu.Unlock()
	for net, l := range logs {
		if !f.ended(net) {
			continue
		}
		f.netErrors.mu.Lock()
		delete(f.netErrors.logs, net)
		f.netErrors.mu.Unlock()
		l.drop()
	}
}

// Errors returns all that the root's errors file can show.
func (f *FS) Errors() string { return f.errors.text(everybody) }

// readRootErrors shows all to root and the owner of the root directory, and to
// others what they did themselves: a command may be no business of theirs, and
// so may the name of a network.
func readRootErrors(f *FS, n *node) string {
	if n.reader == 0 || n.reader == f.access(&node{}).UID {
		return f.Errors()
	}
	return f.errors.text(func(uid uint32) bool { return uid == n.reader })
}

func clearRootErrors(f *FS, _ *node, _ *fuse.InHeader, command string) error {
	if command != "" {
		return fail.Errorf(fail.Invalid, "an empty line clears the errors; nothing else can be written")
	}
	f.errors.clear()
	return nil
}

func readErrors(f *FS, n *node) string { return f.errorsOf(n.net).text(everybody) }

func clearErrors(f *FS, n *node, by *fuse.InHeader, command string) error {
	if command != "" {
		return clearRootErrors(f, n, by, command)
	}
	f.errorsOf(n.net).clear()
	return nil
}
