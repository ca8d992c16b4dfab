package fastpath

import (
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// door is a file that is a port, and is read.
type door struct {
	*os.File
	took atomic.Uint64 // frames
	f    func([]byte)  // gets each, if it is not nil
}

// open opens the file port until the test ends.
func (l *lan) open() *door { return l.openFor(nil) }

// openFor is open with a function that gets each frame.
func (l *lan) openFor(f func([]byte)) *door {
	l.t.Helper()
	fd, err := unix.Open(l.path("port"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	d := &door{File: os.NewFile(uintptr(fd), "port"), f: f}
	var reading sync.WaitGroup
	reading.Go(func() {
		for buf := make([]byte, 1<<17); ; {
			n, err := d.Read(buf)
			if err != nil || n == 0 {
				return
			}
			if d.f != nil {
				d.f(buf[:n])
			}
			d.took.Add(1)
		}
	})
	l.t.Cleanup(func() {
		d.Close()
		reading.Wait()
	})
	return d
}
