package netns

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Witness is what keeps a namespace alive besides this process: a name that
// ip-netns(8) gave it, a thread that is in it, an open descriptor, or a mount.
// Sockets that are in it and devices that were opened there are none: /proc
// does not tell them.
type Witness struct {
	id    ID
	path  string
	speak func(path string, id ID) bool
}

// Testifies tells whether the witness still keeps its namespace alive. It is
// one system call, or one file of /proc, and never waits for a file system.
func (w *Witness) Testifies() bool { return w.speak(w.path, w.id) }

// Namespace is what it keeps alive.
func (w *Witness) Namespace() ID { return w.id }

// How the sorts of witnesses are asked. Links of /proc are read, not followed:
// what they lead to may be a file system that hangs.
func isNamed(path string, id ID) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && id == ID{st.Dev, st.Ino}
}

func isLinked(path string, id ID) bool {
	target, err := os.Readlink(path)
	return err == nil && target == id.String()
}

// isOpened is for what was opened by a mount that is not there any more: its link tells
// nothing, but its inode does (proc_pid_fdinfo(5)). A file of a file system that has the
// same number might be meant, and who has it open could open the namespace as well.
func isOpened(path string, id ID) bool {
	text, err := os.ReadFile(path)
	return err == nil && inode(string(text)) == strconv.FormatUint(id.ino, 10)
}

// inode is the number in a fdinfo.
func inode(fdinfo string) string {
	for line := range strings.Lines(fdinfo) {
		if number, ok := strings.CutPrefix(line, "ino:"); ok {
			return strings.TrimSpace(number)
		}
	}
	return ""
}

func isMounted(path string, id ID) bool {
	text, err := os.ReadFile(path)
	return err == nil && mounts(string(text))[id.String()]
}

// mounts lists the roots of the namespaces' file system that are in a
// mountinfo (proc_pid_mountinfo(5)).
func mounts(mountinfo string) map[string]bool {
	roots := map[string]bool{}
	for line := range strings.Lines(mountinfo) {
		words := strings.Fields(line)
		if len(words) > 3 && strings.Contains(line, " - nsfs ") {
			roots[words[3]] = true
		}
	}
	return roots
}

// initialPIDs is the inode of the pid namespace that sees all processes
// (PROC_PID_INIT_INO in linux/proc_ns.h).
const initialPIDs = 0xEFFFFFFC

// SeesAll tells whether this process can see all that may be in a namespace:
// it is in the pid namespace of the machine.
func SeesAll() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/pid", &st) == nil && st.Ino == initialPIDs
}

// Witnesses looks for a witness for each of the namespaces. Unless all is true,
// some process could not be asked, and might be one for those that have none.
func Witnesses(ids ...ID) (found map[ID]*Witness, all bool) {
	s := search{wanted: map[string]ID{}, found: map[ID]*Witness{}, seen: map[string]bool{}, all: true}
	for _, id := range ids {
		s.wanted[id.String()] = id
	}
	for id, name := range Names() {
		s.see(id.String(), filepath.Join(namesDir, name), isNamed)
	}
	processes := s.list("/proc")
	for _, look := range []func(){s.threads, s.descriptors, s.mounts} { // the cheapest to ask first
		for _, s.process = range processes {
			if len(s.wanted) == 0 {
				return s.found, s.all
			}
			if _, err := strconv.Atoi(s.process); err == nil {
				look()
			}
		}
	}
	return s.found, s.all
}

type search struct {
	process string        // that is looked at, by number
	wanted  map[string]ID // by how a link of /proc shows them
	found   map[ID]*Witness
	seen    map[string]bool // mount namespaces
	all     bool
}

// see notes a witness, if it is one for a namespace that has none yet.
func (s *search) see(what, path string, speak func(string, ID) bool) {
	if id, ok := s.wanted[what]; ok {
		s.found[id] = &Witness{id, path, speak}
		delete(s.wanted, what)
	}
}

// threads and descriptors do not ask this process itself, which is no witness.
func (s *search) threads() {
	if s.isOwn() {
		return
	}
	for _, thread := range s.list("/proc/" + s.process + "/task") {
		link := "/proc/" + s.process + "/task/" + thread + "/ns/net"
		s.see(s.read(link), link, isLinked)
	}
}

func (s *search) descriptors() {
	if s.isOwn() {
		return
	}
	for _, fd := range s.list("/proc/" + s.process + "/fd") {
		link := "/proc/" + s.process + "/fd/" + fd
		target := s.read(link)
		s.see(target, link, isLinked)
		if target == "/" {
			s.seeOpened("/proc/" + s.process + "/fdinfo/" + fd)
		}
	}
}

// seeOpened notes who may have opened a namespace by a mount that has gone.
func (s *search) seeOpened(fdinfo string) {
	text, err := os.ReadFile(fdinfo)
	if !s.failed(err) {
		s.see("net:["+inode(string(text))+"]", fdinfo, isOpened)
	}
}

func (s *search) isOwn() bool { return s.process == strconv.Itoa(os.Getpid()) }

// mounts looks into each mount namespace once, this process's own too.
func (s *search) mounts() {
	where := s.read("/proc/" + s.process + "/ns/mnt")
	if s.seen[where] {
		return
	}
	path := "/proc/" + s.process + "/mountinfo"
	text, err := os.ReadFile(path)
	if s.failed(err) {
		return
	}
	s.seen[where] = where != ""
	for what := range mounts(string(text)) {
		s.see(what, path, isMounted)
	}
}

// list lists a directory of /proc.
func (s *search) list(dir string) []string {
	f, err := os.Open(dir)
	if s.failed(err) {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	s.failed(err)
	return names
}

// read reads a link of /proc; it is empty if that cannot be.
func (s *search) read(link string) string {
	target, err := os.Readlink(link)
	s.failed(err)
	return target
}

// failed tells whether there is an error, and notes what could not be asked.
// What has gone is no witness (a mountinfo says so by EINVAL). Nor is init,
// which may be closed to all: it is where the machine began.
func (s *search) failed(err error) bool {
	gone := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
	if err != nil && !gone && s.process != "1" {
		s.all = false
	}
	return err != nil
}
