package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// attacker is one process of an attack.
type attacker struct {
	dir   string // the mount
	index int    // among the processes of the attack
	count int    // of steps so far
	door  int    // where its frames go
	doors []int  // or there, by turns
	fds   []int  // what else it has open
	text  []byte // what it writes
	guest *guest
	talk  func(n int) // says the n-th thing to a cable
}

// The role "attacker NAME INDEX DIR" makes ready, and when it is told so attacks
// until it is killed.
func init() {
	harness.Role("attacker", func(args []string) {
		row, a := find(args[0]), &attacker{dir: args[2]}
		a.index, _ = strconv.Atoi(args[1])
		row.setup(a)
		harness.Say("ready")
		harness.Hear()
		for ; row.step != nil; a.count++ {
			row.step(a)
		}
		for { // threads may still attack
			time.Sleep(time.Hour)
		}
	})
}

func find(name string) attack {
	for _, row := range attacks {
		if row.name == name {
			return row
		}
	}
	panic("no attack " + name)
}

// refused tells whether an error is one by which the daemon bounds what a user
// may have. An attack goes on with what it got.
func refused(err error) bool {
	for _, e := range []error{unix.ENOSPC, unix.ENOBUFS, unix.EUSERS, unix.EMFILE, unix.ENFILE, unix.EDQUOT, unix.ENOMEM, unix.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// network makes a network, unless it is there, with settings "FILE VALUE", and
// returns its path.
func (a *attacker) network(name string, settings ...string) string {
	dir := a.dir + "/" + name
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) && !refused(err) {
		fail(err)
	}
	for _, s := range settings {
		file, value, _ := strings.Cut(s, " ")
		a.set(dir+"/"+file, value)
	}
	return dir
}

// set writes a command to a file. A refusal of too much is taken.
func (a *attacker) set(path, command string) {
	if err := write(path, command); err != nil && !refused(err) {
		fail(err)
	}
}

// open opens a file n times, or as often as it may, and keeps the descriptors.
func (a *attacker) open(n int, path string, flags int) []int {
	first := len(a.fds)
	for range n {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if refused(err) {
			break
		}
		if err != nil {
			fail(fmt.Errorf("%s: %w", path, err))
		}
		a.fds = append(a.fds, fd)
	}
	return a.fds[first:]
}

// crowd makes a network with a door to write to and n readers of port who do not
// read.
func (a *attacker) crowd(n int, door string, settings ...string) {
	dir := a.network(fmt.Sprint("crowd", a.index), append([]string{"maxports 65536"}, settings...)...)
	a.sender(dir + "/" + door)
	a.crowdIn(dir, n)
}

// crowdIn lets n readers of port who do not read join a network.
func (a *attacker) crowdIn(dir string, n int) {
	a.open(n, dir+"/port", unix.O_RDONLY|unix.O_NONBLOCK)
}

// sender opens the door that frames go to. If it may not there are no more.
func (a *attacker) sender(path string) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil && !refused(err) {
		fail(fmt.Errorf("%s: %w", path, err))
	}
	a.door = fd
}

// readers starts n threads that wait in read(2), each on a port of its own.
func (a *attacker) readers(n int, dir string) {
	var begun sync.WaitGroup
	for _, fd := range a.open(n, dir+"/port", unix.O_RDONLY) {
		begun.Add(1)
		go func() {
			begun.Done()
			_, _ = unix.Read(fd, make([]byte, 64))
		}()
	}
	begun.Wait()
}

// forget makes so many requests that the daemon has no hint left of where those
// before them wait.
func (a *attacker) forget(dir string) {
	for range 17000 {
		_ = unix.Access(dir+"/mtu", unix.F_OK)
	}
}

// piece is how much a write to stream carries at most.
const piece = 1044480

// tiny is a write to stream of frames of one byte.
func tiny() []byte {
	return []byte(strings.Repeat("\x00\x01x", piece/3))
}

// stations is a write to stream of frames to an address from n others, the
// first of which has this number.
func stations(to string, first, n int) []byte {
	text := make([]byte, 0, 16*n)
	for i := range n {
		text = append(append(text, 0, 14), to...)
		text = binary.BigEndian.AppendUint32(append(text, 2, 0), uint32(first+i))
		text = append(text, 8, 0)
	}
	return text
}

const everybody = "\xff\xff\xff\xff\xff\xff"

// send writes all of text to a stream, in as many calls as it takes, or up to
// a refusal.
func send(fd int, text []byte) {
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		text = text[n:]
	}
}

// fill makes the switch of a network learn n addresses, by a port that stays.
func (a *attacker) fill(dir string, n int) {
	a.sender(dir + "/stream")
	for first := 0; first < n; first += piece / 16 {
		send(a.door, stations(everybody, first, min(piece/16, n-first)))
	}
}
