package fs

import (
	"strings"
	"sync"
	"unicode"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// maxCommand is the longest command in bytes that a write may carry.
const maxCommand = 4096

// textHandle is an open text file. What it shows is rendered when it is read
// from the start, so that a reader in small pieces sees one state. If its size
// is asked before it is read, that is of a text which is rendered then and is
// kept for the first read: who reads as much as fstat(2) said gets all of it.
type textHandle struct {
	node    node
	opener  bus.Credentials // of a row that is signed, and else empty
	account *account
	group   uint32 // of who opened it

	mu sync.Mutex
	// +checklocks:mu
	text string
	// +checklocks:mu
	charged int
	// +checklocks:mu
	kept bool // text was told by size, and is not read yet
	// +checklocks:mu
	read bool // a read came
	// +checklocks:mu
	closed bool // a stat may find it yet
}

// Read serves text files; doors never come here. The kernel takes less than
// it asked for as the end of the file.
func (f *FS) Read(_ <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	h, ok := f.file(in.Fh).(*textHandle)
	if !ok || h.node.row.read == nil {
		return nil, fuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.kept && (in.Offset == 0 || !h.read) {
		if _, status := h.render(f); !status.Ok() {
			return nil, status
		}
	}
	h.kept, h.read = false, true
	start := min(in.Offset, uint64(len(h.text)))
	end := min(start+uint64(in.Size), uint64(len(h.text)))
	return fuse.ReadResultData([]byte(h.text[start:end])), fuse.OK
}

// render makes the text and tells its length, also if there is no memory to
// hold it. h.mu is held.
//
// +checklocks:h.mu
func (h *textHandle) render(f *FS) (int, fuse.Status) {
	n, ok := f.still(&h.node)
	if !ok || h.closed {
		return 0, fuse.ENODEV
	}
	text, made := f.text(&n, h.account, h.group)
	if n.gone {
		return 0, fuse.ENODEV
	}
	if h.charged, ok = h.account.charge(len(text), h.charged); !ok || !made {
		h.text = ""
		return len(text), fuse.Status(unix.ENOBUFS)
	}
	h.text = text
	return len(text), fuse.OK
}

// bigText is how many bytes a text takes to make that is not made at once for
// all who want it.
const bigText = 64 << 10

// text makes the text of n for a user of that group, or returns false if there is
// no memory for that. Big ones are made by turns.
func (f *FS) text(n *node, a *account, group uint32) (text string, made bool) {
	n.reader, n.readerGroup = a.uid, group
	cost := 0
	switch {
	case n.cost != nil:
		cost = n.cost()
	case n.row.cost != nil:
		cost = n.row.cost(f, n)
	}
	if cost < bigText {
		return n.row.read(f, n), true
	}
	f.accounts.make(a, func() {
		var charged int
		if charged, made = a.charge(cost, 0); made {
			text = n.row.read(f, n)
			a.mem.Refund(charged)
		}
	})
	return text, made
}

// size is the length of the text that h gives, or gave last.
func (h *textHandle) size(f *FS) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.read {
		return len(h.text)
	}
	n, status := h.render(f)
	h.kept = status.Ok()
	return n
}

// Write takes one command: a line, with or without its end. It is carried out
// whole or refused with a line in errors.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	h, ok := f.file(in.Fh).(*textHandle)
	if !ok {
		return 0, fuse.EBADF
	}
	n, ok := f.still(&h.node)
	if !ok {
		return 0, fuse.ENODEV
	}
	command, err := parseCommand(&n, data)
	if err == nil {
		n.opener = &h.opener
		err = n.row.write(f, &n, &in.InHeader, command)
	}
	if err != nil {
		return 0, f.refuse(&n, &in.InHeader, command, err)
	}
	return uint32(len(data)), fuse.OK
}

// parseCommand checks the form that all commands share. It returns what it
// can of the command also when it refuses it, for the errors file.
func parseCommand(n *node, data []byte) (string, error) {
	command := strings.TrimSuffix(string(data[:min(len(data), maxCommand)]), "\n")
	switch {
	case n.row.write == nil || n.readOnly:
		return command, fail.Errorf(fail.Denied, "%s cannot be written", n.name())
	case len(data) > maxCommand:
		return command, fail.Errorf(fail.Range, "a command of %d bytes: at most %d", len(data), maxCommand)
	case strings.Contains(command, "\n"):
		return command, fail.Errorf(fail.Invalid, "more than one line: each write is one command")
	case strings.ContainsFunc(command, func(c rune) bool { return unicode.IsControl(c) && c != '\t' || c == unicode.ReplacementChar }):
		return command, fail.Errorf(fail.Invalid, "a command is text: no control characters, valid UTF-8")
	}
	command = strings.TrimSpace(command)
	if command == "" && !n.row.emptyOK {
		return command, fail.Errorf(fail.Invalid, "an empty line is no value for %s", n.name())
	}
	return command, nil
}

// Release ends text files; doors are ended by the device.
func (f *FS) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if h, ok := f.removeFile(in.Fh).(*textHandle); ok {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.account.mem.Refund(h.charged)
		h.charged, h.closed = 0, true
		f.accounts.leave(h.account)
	}
}
