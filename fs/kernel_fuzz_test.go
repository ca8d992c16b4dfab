package fs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
)

// FuzzRequests lets programs open, read, write, poll, close, be interrupted
// and change settings as a sequence of bytes says. Each request is answered
// exactly once, all frames are accounted for, nothing is left.
func FuzzRequests(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		script := make([]byte, 300)
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) { run(newLoneKernel(t), script[:min(len(script), 300)]) })
}

// The same with a device that serves on its own goroutines.
func TestRequests(t *testing.T) {
	for range 20 {
		script := make([]byte, 300)
		for i := range script {
			script[i] = byte(rand.Uint32())
		}
		t.Run("", func(t *testing.T) {
			t.Logf("the script is %x", script)
			run(newKernel(t), script)
		})
	}
}

// run lets programs do what the script says.
func run(k *kernel, script []byte) {
	p := &programs{kernel: k, script: script}
	p.must("mkdir", p.mkdir("lan"))
	p.must("mkdir", p.mkdir("lan/ports/5"))
	for len(p.script) > 0 {
		acts[p.next(len(acts))](p)
	}
	p.settle()
	if n := p.fs.bus.Network("lan"); n != nil {
		if err := bustest.CheckBalance(n.Stats()); err != nil {
			p.t.Error(err)
		}
	}
	p.end()
}

type programs struct {
	*kernel
	script []byte
	open   []uint64
	frames int
}

func (p *programs) next(n int) int {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return int(b) % n
}

// handle picks one that is open, or one that is not.
func (p *programs) handle() uint64 {
	if len(p.open) == 0 || p.next(16) == 0 {
		return 1<<63 | uint64(p.next(5))
	}
	return p.open[p.next(len(p.open))]
}

func (p *programs) frame() string {
	p.frames++
	return fmt.Sprintf("%d %s", p.frames, strings.Repeat(".", p.next(8)*40))
}

func (p *programs) flags() uint32 {
	if p.next(3) == 0 {
		return unix.O_NONBLOCK
	}
	return 0
}

var acts = []func(p *programs){
	func(p *programs) { // open
		if len(p.open) > 10 || p.fs.bus.Network("lan") == nil {
			return
		}
		name := []string{"port", "stream", "events", "port", "stream", "ports/5/port"}[p.next(6)]
		if strings.HasPrefix(name, "ports") && p.fs.bus.Network("lan").Port(5) == nil {
			return
		}
		if fh, errno := p.tryOpen("lan/"+name, uint32(p.next(3))); errno == 0 {
			p.open = append(p.open, fh)
		}
	},
	func(p *programs) { p.kernel.readWith(p.handle(), 1+p.next(255)*4, p.flags()) },
	func(p *programs) { p.kernel.readWith(p.handle(), 1+p.next(255)*4, p.flags()) },
	func(p *programs) { p.kernel.writeWith(p.handle(), p.frame(), 0, p.flags()) },
	func(p *programs) { p.kernel.writeWith(p.handle(), p.frame(), 0, p.flags()) },
	func(p *programs) { // stream form, whole or cut off
		data := form(p.frame(), p.frame(), p.frame())
		p.kernel.writeWith(p.handle(), data[:len(data)-p.next(2)*p.next(len(data))], 0, p.flags())
	},
	func(p *programs) { p.interrupt(p.last - uint64(2*p.next(40))) },
	func(p *programs) { p.poll(p.handle(), in|out, uint64(p.next(10)), p.next(2) == 0) },
	func(p *programs) { // close: nothing may wait on what a kernel releases
		if len(p.open) > 0 && p.next(3) == 0 {
			i := p.next(len(p.open))
			p.wait(p.release(p.open[i]))
			p.open = append(p.open[:i:i], p.open[i+1:]...)
		}
	},
	func(p *programs) { // settings
		if p.fs.bus.Network("lan") == nil {
			return
		}
		p.echo([]string{"drop-new", "drop-old", "block", "block", "block", "disconnect"}[p.next(6)], "lan/overflow")
		p.echo(fmt.Sprint(1+p.next(6)), "lan/queue")
	},
	func(p *programs) { // rmdir of a port
		if p.fs.bus.Network("lan") != nil && p.next(4) == 0 {
			p.rmdir(fmt.Sprint("lan/ports/", 1+p.next(6)))
		}
	},
	func(p *programs) { // anything else, with whatever it has
		ops := []uint32{3, 4, 9, 11, 12, 13, 16, 20, 25, 27, 28, 29, 35, 39, 43, 46, 9999}
		m := bytesOf(head(ops[p.next(len(ops))], uint64(p.next(4))<<56|uint64(p.next(3))<<32|1))
		for range p.next(100) {
			m = append(m, byte(p.next(256)))
		}
		p.ask(fmt.Sprintf("opcode %d", m[4]), m)
	},
	func(p *programs) {
		p.ask("", bytesOf(fuse.ForgetIn{InHeader: head(2, uint64(p.next(256)))}))
	},
}
