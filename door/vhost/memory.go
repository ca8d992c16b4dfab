package vhost

import (
	"math"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// Limits of what front ends map here: memory of one in bytes and regions, and that
// of all. Pages are theirs, but the process has only so many addresses and mappings.
const (
	maxSlots  = 32
	maxMapped = 1 << 40

	maxMappedOfAll = 1 << 45
	maxSlotsOfAll  = 1 << 14
)

// mapped counts what is mapped for all front ends.
var mapped struct {
	mu    sync.Mutex
	bytes uint64
	slots int
}

// region is a part of the guest's memory.
type region struct {
	guest uint64 // its address as the guest tells it, in descriptors
	user  uint64 // and as the front end does, of rings
	size  uint64

	base    unsafe.Pointer // where it is here
	mapping []byte
}

// newRegion maps a region of the file fd, which stays the caller's. The file may
// become shorter later: see ring.guard.
func newRegion(fd int, guest, user, size, offset uint64) (*region, error) {
	// Only files of memory have seals. Of another it is not even asked how long it
	// is: its file system, and its pages, could make us wait for somebody.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil {
		return nil, fail.Errorf(fail.Invalid, "memory must be a memfd, or a file in /dev/shm or hugetlbfs")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fail.Errorf(fail.Invalid, "memory: %v", err)
	}
	switch file := uint64(st.Size); {
	case size == 0 || guest > math.MaxUint64-size || user > math.MaxUint64-size:
		return nil, fail.Errorf(fail.Invalid, "memory of %d bytes at %#x, or %#x, is none", size, guest, user)
	case size > file || offset > file-size:
		return nil, fail.Errorf(fail.Invalid, "memory of %d bytes at %d is not within its file of %d bytes", size, offset, file)
	}
	page := uint64(max(int64(os.Getpagesize()), int64(st.Blksize))) // hugetlbfs has its own
	skip := offset % page
	length := (skip + size + page - 1) / page * page
	if err := charge(length); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(fd, int64(offset-skip), int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		refund(length)
		return nil, fail.Errorf(fail.Invalid, "memory of %d bytes cannot be mapped: %v", size, err)
	}
	_ = unix.Madvise(b, unix.MADV_DONTDUMP) // a core of ours shall not tell of guests
	return &region{guest: guest, user: user, size: size, base: unsafe.Pointer(&b[skip]), mapping: b}, nil
}

func charge(bytes uint64) error {
	mapped.mu.Lock()
	defer mapped.mu.Unlock()
	if bytes > maxMapped || mapped.bytes+bytes > maxMappedOfAll || mapped.slots == maxSlotsOfAll {
		return fail.Errorf(fail.NoSpace, "memory of %d bytes is too much: 1 TiB is the most of a guest, and 32 TiB in %d regions of all", bytes, maxSlotsOfAll)
	}
	mapped.bytes += bytes
	mapped.slots++
	return nil
}

func refund(bytes uint64) {
	mapped.mu.Lock()
	defer mapped.mu.Unlock()
	mapped.bytes -= bytes
	mapped.slots--
}

// unmap is called when nobody uses the region any more.
func (r *region) unmap() {
	refund(uint64(len(r.mapping)))
	_ = unix.Munmap(r.mapping)
	r.mapping, r.base = nil, nil
}
