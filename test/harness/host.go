package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// Host is a network namespace.
type Host struct {
	Name string // of ip-netns(8)
	NS   *netns.NS
	tb   testing.TB
}

var hosts atomic.Int32

// NewHost makes a namespace with a name that begins with "swt", until the test ends.
func NewHost(tb testing.TB) *Host {
	tb.Helper()
	NeedRoot(tb)
	NeedProgram(tb, "ip")
	h := &Host{tb: tb, Name: fmt.Sprintf("swt%x-%d", os.Getpid()&0xffff, hosts.Add(1))}
	Exec(tb, "ip", "netns", "add", h.Name)
	tb.Cleanup(h.Delete)
	fd, err := unix.Open("/run/netns/"+h.Name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		h.NS, err = netns.FromFD(fd)
	}
	if err != nil {
		tb.Fatal(err)
	}
	h.IP("link set lo up")
	return h
}

// Delete ends the namespace, unless somebody else holds it. A second call does nothing.
func (h *Host) Delete() {
	if h.Name == "" {
		return
	}
	h.NS.Close()
	Exec(h.tb, "ip", "netns", "del", h.Name)
	h.Name = ""
}

// Exec runs a program, which must succeed, and returns its output.
func Exec(tb testing.TB, argv ...string) string {
	tb.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// IP runs ip(8) in the namespace, with the words of command.
func (h *Host) IP(command string) string {
	h.tb.Helper()
	return Exec(h.tb, append([]string{"ip", "-n", h.Name}, strings.Fields(command)...)...)
}

// In runs f in the namespace.
func (h *Host) In(f func() error) {
	h.tb.Helper()
	if err := h.NS.Do(f); err != nil {
		h.tb.Fatal(err)
	}
}

// Try runs a program in the namespace and returns its output.
func (h *Host) Try(argv ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := h.NS.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	return out.String(), err
}

// Echo writes a line to a file from within the namespace.
func (h *Host) Echo(text, path string) error {
	return h.NS.Do(func() error { return os.WriteFile(path, []byte(text+"\n"), 0) })
}

// Quiet keeps the kernel from sending anything of its own from an interface, such as for
// IPv6.
func (h *Host) Quiet(name string) {
	h.tb.Helper()
	h.In(func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	})
}

// Has tells whether the namespace has an interface of that name.
func (h *Host) Has(name string) bool {
	_, err := h.Try("ip", "link", "show", "dev", name)
	return err == nil
}

// Attached returns the line of an interface of the namespace in the text of tap, veth or
// grab, or "".
func (h *Host) Attached(text, name string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, name+" ") && Field(line, "netns") == h.Name {
			return line
		}
	}
	return ""
}

// Field reads key=value from a line.
func Field(line, key string) string {
	for _, word := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}
