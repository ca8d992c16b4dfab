package fs

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// waitWritten waits for a write and returns how many bytes it took, 0 if it
// was interrupted.
func (k *kernel) waitWritten(unique uint64) int {
	r := k.wait(unique)
	switch {
	case r.errno == unix.EINTR:
		return 0
	case r.errno != 0:
		k.t.Errorf("%s: %v", k.asked[unique], r.errno)
		return 0
	}
	return int(binary.NativeEndian.Uint32(r.body))
}

// stir changes settings that waiting senders care for, from other threads,
// until it is told to stop.
func stir(k *kernel, done *atomic.Bool, all *sync.WaitGroup) {
	n := k.fs.bus.Network("lan")
	all.Add(1)
	go func() {
		defer all.Done()
		for i := 0; !done.Load(); i++ {
			if err := n.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 1+i%4, bus.BlockSender }); err != nil {
				k.t.Error(err)
			}
			k.settle()
		}
	}()
}

// A stream that is interrupted now and then, and goes on where each write
// said it came to, loses nothing and repeats nothing.
func TestInterruptedStreamIsWhole(t *testing.T) {
	const frames = 400
	k, s, to := blocking(t)
	random := rand.New(rand.NewPCG(5, 6))
	var list []string
	for i := range frames {
		list = append(list, fmt.Sprintf("%d%s", i, strings.Repeat(".", random.IntN(30))))
	}
	data := form(list...)
	var done atomic.Bool
	var others sync.WaitGroup
	stir(k, &done, &others)
	others.Add(1)
	go func() {
		defer others.Done()
		for i := range list {
			if r := k.wait(k.read(to, 1000)); r.errno != 0 || string(r.body) != list[i] {
				t.Errorf("frame %d: %v %q, want %q", i, r.errno, r.body, list[i])
				return
			}
		}
	}()
	for len(data) > 0 && !t.Failed() {
		w := k.write(s, data[:min(len(data), 1+random.IntN(200))])
		if random.IntN(2) == 0 {
			for range random.IntN(3) {
				k.settle()
			}
			k.interrupt(w)
		}
		data = data[k.waitWritten(w):]
	}
	done.Store(true)
	others.Wait()
	k.wantErrno(k.readWith(to, 10, unix.O_NONBLOCK), unix.EAGAIN)
}

// A write on port that was interrupted sent nothing, any other sent its frame
// once.
func TestInterruptedPortIsExact(t *testing.T) {
	const frames = 400
	k, _, to := blocking(t)
	from := k.open("lan/port", unix.O_WRONLY)
	random := rand.New(rand.NewPCG(7, 8))
	var done atomic.Bool
	var others sync.WaitGroup
	stir(k, &done, &others)
	others.Add(1)
	go func() {
		defer others.Done()
		for i := range frames {
			if r := k.wait(k.read(to, 1000)); r.errno != 0 || string(r.body) != fmt.Sprint(i) {
				t.Errorf("frame %d: %v %q", i, r.errno, r.body)
				return
			}
		}
	}()
	for i := 0; i < frames && !t.Failed(); {
		w := k.write(from, fmt.Sprint(i))
		if random.IntN(2) == 0 {
			k.interrupt(w)
		}
		if k.waitWritten(w) > 0 {
			i++
		}
	}
	done.Store(true)
	others.Wait()
	k.wantErrno(k.readWith(to, 10, unix.O_NONBLOCK), unix.EAGAIN)
}

// Many programs at once, on ports that come and go. The end looks whether
// each of their calls was answered once and nothing is left.
func TestCrowd(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	n := k.fs.bus.Network("lan")
	var all sync.WaitGroup
	for p := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			random := rand.New(rand.NewPCG(uint64(p), 9))
			for range 15 {
				fh, errno := k.tryOpen([]string{"lan/port", "lan/stream", "lan/events"}[random.IntN(3)], unix.O_RDWR*uint32(random.IntN(2)))
				if errno != 0 {
					continue // events are only read
				}
				var asked []uint64
				for i := range 20 {
					switch random.IntN(6) {
					case 0, 1:
						asked = append(asked, k.read(fh, 500))
					case 2, 3:
						asked = append(asked, k.write(fh, form(fmt.Sprint("frame ", i))))
					case 4:
						k.poll(fh, in|out, uint64(p), true)
					case 5:
						if len(asked) > 0 {
							k.interrupt(asked[random.IntN(len(asked))])
						}
					}
				}
				for _, unique := range asked { // as a kernel does before a release
					k.interrupt(unique)
				}
				for _, unique := range asked {
					k.wait(unique)
				}
				k.wait(k.release(fh))
			}
		}()
	}
	var done atomic.Bool
	var others sync.WaitGroup
	others.Add(1)
	go func() {
		defer others.Done()
		for i := 0; !done.Load(); i++ {
			overflows := []bus.Overflow{bus.BlockSender, bus.DropOld, bus.BlockSender, bus.Disconnect, bus.DropNew}
			_ = n.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 1+i%3, overflows[i%len(overflows)] })
			_ = n.RemovePort(1 + i%6)
			if err := bustest.CheckBalance(n.Stats()); err != nil {
				t.Error(err)
			}
			k.settle()
		}
	}()
	all.Wait()
	done.Store(true)
	others.Wait()
}
