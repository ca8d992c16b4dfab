package vm

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ipnfs/test/harness"
)

// initScript is what a guest does. The kernel gives it what the command line says
// of addr, peer, mtu and others in its environment.
const initScript = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_net
ip addr add $addr/24 dev eth0
ip link set eth0 mtu $mtu up || echo guest: no mtu $mtu
until nc $peer ` + give + ` </dev/null >/file; do sleep 1; done
set -- $(sha256sum /file)
echo guest: got $1
nc $peer ` + take + ` </file
echo guest: done
for other in $(echo $others | tr , ' '); do
	until ping -c 1 -W 1 -s $((${other#*-}-28)) ${other%-*} >/dev/null; do :; done
	echo guest: heard $other
done
exec sleep 1000000
`

// startScript starts a guest: sh FILE ADDRESS MTU OTHERS [option of QEMU...]. OTHERS
// are those that it pings, as ADDRESS-LENGTH,... The process of QEMU is told in a
// file. It ends with who started it.
const startScript = `args="addr=$1 mtu=$2 others=$3"
echo $$ >%[1]s/$1.pid
shift 3
exec setpriv --pdeathsig KILL qemu-system-x86_64 -accel tcg -m ` + memory + ` -nodefaults -no-user-config -display none \
	-serial stdio -kernel %[2]s -initrd %[1]s/initrd -append "console=ttyS0 loglevel=1 panic=-1 peer=` + hostAddr + ` $args" "$@"
`

// memory is that of a guest, as for QEMU.
const memory = "128M"

// image makes what guests boot, in a directory that all users may read.
func image(t *testing.T) (dir string) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the guests are x86-64's")
	}
	for _, name := range []string{"qemu-system-x86_64", "cpio"} {
		harness.NeedProgram(t, name)
	}
	busybox := harness.NeedProgram(t, "busybox")
	if file, err := elf.Open(busybox); err != nil {
		t.Fatal(err)
	} else if libraries, _ := file.ImportedLibraries(); len(libraries) > 0 {
		harness.Missing(t, "a busybox that needs no libraries (Debian's package busybox-static)")
	}
	const prefix = "/boot/vmlinuz-"
	kernels, _ := filepath.Glob(prefix + "*-cloud-amd64")
	if len(kernels) == 0 {
		harness.Missing(t, "a kernel for guests (Debian's package linux-image-cloud-amd64)")
	}
	kernel := kernels[len(kernels)-1]
	dir = publicDir(t)
	root := filepath.Join(dir, "root")
	for _, d := range []string{"proc", "sys", "dev"} {
		check(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	check(t, os.WriteFile(filepath.Join(dir, "start"), fmt.Appendf(nil, startScript, dir, kernel), 0o644))
	put(t, busybox, filepath.Join(root, "bin/busybox"))
	modules := "/lib/modules/" + strings.TrimPrefix(kernel, prefix)
	put(t, modules+"/modules.dep", root+modules+"/modules.dep")
	for _, name := range dependencies(t, modules+"/modules.dep", "virtio_pci", "virtio_net") {
		put(t, modules+"/"+name, root+modules+"/"+name)
	}
	check(t, os.WriteFile(filepath.Join(root, "init"), []byte(initScript), 0o755))
	pack := exec.Command("sh", "-c", "cd root && find . | cpio -o -H newc --quiet >../initrd")
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	// Each user's process writes its number and its files.
	check(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

// dependencies lists modules and what they need, as modules.dep has it
// (modules.dep(5)).
func dependencies(t *testing.T, path string, names ...string) (files []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	for line := range strings.Lines(string(text)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, name := range names {
			if strings.HasPrefix(filepath.Base(file), name+".ko") {
				files = append(append(files, file), strings.Fields(needs)...)
			}
		}
	}
	return files
}

// put copies a file.
func put(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	check(t, os.MkdirAll(filepath.Dir(to), 0o755))
	check(t, os.WriteFile(to, data, 0o755))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// console is what a guest prints, and what the commands print that started it.
type console struct {
	t     *testing.T
	mu    sync.Mutex
	text  strings.Builder
	lines chan string // of the guest's init, without "guest: "
}

// newConsole takes what is written to a pipe until its last writer has ended.
func newConsole(t *testing.T, pipe io.Reader) *console {
	c := &console{t: t, lines: make(chan string, 100)}
	go func() {
		defer close(c.lines)
		for scan := bufio.NewScanner(pipe); scan.Scan(); {
			line := strings.TrimSpace(scan.Text())
			c.mu.Lock()
			c.text.WriteString(line + "\n")
			c.mu.Unlock()
			if said, ok := strings.CutPrefix(line, "guest: "); ok {
				c.lines <- said
			}
		}
	}()
	return c
}

// line waits for a line of the guest's init, however slow the machine is.
func (c *console) line() string {
	c.t.Helper()
	var late <-chan time.Time
	if end := harness.GiveUp(c.t); !end.IsZero() {
		late = time.After(time.Until(end))
	}
	select {
	case line, ok := <-c.lines:
		if ok {
			return line
		}
		c.t.Fatal("the guest ended")
	case <-late:
		c.t.Fatal("the guest says nothing")
	}
	return ""
}

// String is all of it so far.
func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
