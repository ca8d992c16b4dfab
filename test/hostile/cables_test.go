package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// lay lays n cables, 100 on each network, from many threads, as a command waits for the
// first link.
func (a *attacker) lay(n int, locator func(i int) string) {
	const at, each = 100, 100
	work := make(chan int)
	var all sync.WaitGroup
	for i := range (n + each - 1) / each {
		a.network(fmt.Sprint("cables", a.index, "-", i), "maxports 65536")
	}
	for range at {
		all.Go(func() {
			for i := range work {
				a.set(fmt.Sprint(a.dir, "/cables", a.index, "-", i/each, "/cable"), locator(i))
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	all.Wait()
}

// listen listens for TCP. Who connects finds nobody who accepts.
func listen(backlog int) (address string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		fail(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		fail(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

// deaf is an address where no connection comes about: nobody takes those that wait.
func deaf() string {
	address := listen(0)
	for range 2 {
		go func() { _, _ = net.Dial("tcp", address) }()
	}
	return address
}

// serve answers whoever connects.
func serve(answer func(net.Conn)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return l.Addr().String()
}

// noise is what no protocol has.
func noise(n int) []byte {
	b := make([]byte, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// gibber says it for ever.
func gibber(c net.Conn) {
	for text := noise(1 << 16); ; {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// pretend is a NATS server whose messages are garbage.
func pretend(c net.Conn) {
	go func() { // what is asked, and frames
		buf := make([]byte, 1<<16)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("PING\r\n")) {
				_, _ = c.Write([]byte("PONG\r\n"))
			}
		}
	}()
	_, _ = c.Write([]byte(`INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":1048576,"headers":true}` + "\r\nPONG\r\nPONG\r\n"))
	var text []byte
	for i := range 400 {
		garbage := noise(16 + i*7)
		text = append(fmt.Appendf(text, "MSG x %d %d\r\n", i%4+1, len(garbage)), garbage...)
		text = append(text, "\r\n"...)
	}
	for {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

// beside is where root makes what an attack needs.
func beside(mount string) string { return mount + "-beside" }

// onCables are attacks by those who lay cables.
var onCables = []attack{
	{
		name:  "cables-storm", // laid and taken off as fast as can be
		procs: 3,
		setup: func(a *attacker) { a.network(fmt.Sprint("laid", a.index)) },
		step: func(a *attacker) {
			file := fmt.Sprint(a.dir, "/laid", a.index, "/cable")
			_ = write(file, "nats://127.0.0.1:1/x name=c")
			_ = write(file, "-c")
		},
	},
	{
		name:    "cables-deaf", // to where no connection comes about
		threads: 60,
		setup: func(a *attacker) {
			address := deaf()
			a.lay(1000, func(i int) string { return fmt.Sprintf("nats://%s/x%d", address, i) })
			a.sender(a.dir + "/cables0-0/stream")
			a.text = tiny()[:30000]
		},
		step: func(a *attacker) { // frames that are lost, and reports
			send(a.door, a.text)
			a.peek("/cables0-1/cable")
		},
	},
	{
		name:    "cables-silent", // to who says nothing, and hangs up when it is tired
		threads: 60,
		setup: func(a *attacker) {
			address := listen(4096)
			a.lay(1000, func(i int) string { return fmt.Sprintf("nats://%s/x%d", address, i) })
		},
		step: func(a *attacker) { a.peek(fmt.Sprint("/cables0-", a.count%10, "/cable")) },
	},
	{
		name:    "cables-garbage", // from peers at full speed
		procs:   2,
		threads: 60,
		setup: func(a *attacker) {
			address := serve([]func(net.Conn){gibber, pretend}[a.index])
			a.lay(50, func(i int) string { return fmt.Sprintf("nats://%s/x%d", address, i) })
		},
		step: func(a *attacker) { a.peek(fmt.Sprint("/cables", a.index, "-0/cable")) },
		check: func(r *trial, m *harness.Mounted) {
			if text, err := os.ReadFile(m.Path("cables1-0", "cable")); !strings.Contains(string(text), "state=up") {
				r.Errorf("no cable is up: %s, %v", text, err)
			}
		},
	},
	{
		name:    "cables-datagrams", // of garbage, at full speed
		procs:   2,
		threads: 60,
		setup: func(a *attacker) {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				fail(err)
			}
			from, first := c.LocalAddr(), 21000+1000*a.index
			a.lay(40, func(i int) string {
				if i%2 == 0 {
					return fmt.Sprintf("udp://127.0.0.1:%d->%s", first+i, from)
				}
				return fmt.Sprintf("vxlan://127.0.0.1?vni=%d&port=%d", i, first+i)
			})
			const vxlan = 8 // bytes of its header
			text := append(make([]byte, vxlan), noise(1400)...)
			a.talk = func(n int) {
				said := text[vxlan : vxlan+n%1400]
				if n%2 != 0 {
					text[0], text[6] = 8, byte(n%40)
					said = text[:vxlan+n%1400]
				}
				_, _ = c.WriteTo(said, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first + n%40})
			}
		},
		step: func(a *attacker) { a.talk(a.count) },
		check: func(r *trial, m *harness.Mounted) {
			if text, err := os.ReadFile(m.Path("cables1-0", "cable")); strings.Count(string(text), "state=up") != 40 {
				r.Errorf("not all cables are up: %s, %v", text, err)
			}
		},
	},
	{
		name:    "cables-sockets", // whose owner accepts nobody
		threads: 60,
		around: func(r *trial, m *harness.Mounted) func() {
			dir := beside(m.Dir)
			if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
				r.Fatal(err)
			}
			return func() { _ = os.RemoveAll(dir) }
		},
		setup: func(a *attacker) {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = unix.Bind(fd, &unix.SockaddrUnix{Name: beside(a.dir) + "/ctl"})
			}
			if err == nil {
				err = unix.Listen(fd, 500) // of so many nobody is heard, and others hear that it is full
			}
			if err != nil {
				fail(err)
			}
			a.lay(1000, func(int) string { return "vde://" + beside(a.dir) })
		},
		step: func(a *attacker) { a.peek(fmt.Sprint("/cables0-", a.count%10, "/cable")) },
	},
	{
		name:    "cables-hang", // with files of a file system that never answers
		threads: 60,
		around: func(r *trial, m *harness.Mounted) func() {
			fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err == nil {
				err = os.Mkdir(beside(m.Dir), 0o755)
			}
			if err == nil {
				err = unix.Mount("none", beside(m.Dir), "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd))
			}
			if err != nil {
				r.Fatal(err)
			}
			return func() {
				_ = unix.Close(fd) // which ends all that waits
				_ = unix.Unmount(beside(m.Dir), unix.MNT_DETACH)
				_ = os.Remove(beside(m.Dir))
			}
		},
		setup: func(a *attacker) {
			a.network("hang")
			for range 500 {
				go func() {
					for {
						_ = write(a.dir+"/hang/cable", "nats://127.0.0.1:1/x?creds="+beside(a.dir)+"/creds")
					}
				}()
			}
		},
		step: func(a *attacker) { a.peek("/hang/cable") },
	},
	{
		name:  "cables-refused", // whose files are not his
		procs: 3,
		setup: func(a *attacker) { a.network(fmt.Sprint("refused", a.index)) },
		step: func(a *attacker) {
			option := []string{
				"?creds=/etc/shadow", "?creds=/dev/zero", "?creds=/proc/self/mem", "?creds=/proc/1/root/etc/shadow", "?creds=/" + strings.Repeat("x/", 500), " netns=/root/x",
			}[a.count%6]
			_ = write(fmt.Sprint(a.dir, "/refused", a.index, "/cable"), "nats://127.0.0.1:1/x"+option)
		},
	},
}
