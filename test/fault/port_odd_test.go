package fault

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A door cannot seek.
func TestSeek(t *testing.T) {
	m := start(t)
	for _, door := range append(doors, "events") {
		flags := unix.O_RDWR
		if door == "events" {
			flags = unix.O_RDONLY
		}
		fd := open(t, m.Path(lan, door), flags)
		_, err := unix.Seek(fd, 0, unix.SEEK_CUR)
		expectErr(t, door+": lseek", err, unix.ESPIPE)
		_, err = unix.Pread(fd, make([]byte, 10), 0)
		expectErr(t, door+": pread", err, unix.ESPIPE)
		if door != "events" {
			_, err = unix.Pwrite(fd, []byte("x"), 0)
			expectErr(t, door+": pwrite", err, unix.ESPIPE)
		}
	}
	if s := m.Stats(t, lan); s["frames"] != 0 {
		t.Errorf("frames %d", s["frames"])
	}
}

// Frames cannot be mapped.
func TestMmap(t *testing.T) {
	m := start(t)
	for _, door := range doors {
		fd := open(t, m.Path(lan, door), unix.O_RDWR)
		_, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
		expectErr(t, door+": mmap", err, unix.ENODEV)
	}
}

// portNumber is the ioctl by which a port learns its number.
const portNumber = 0x80044901

// A handle can ask for its own port number, and for nothing else.
func TestIoctl(t *testing.T) {
	m := start(t)
	if err := os.Mkdir(m.Path(lan, "ports", "7"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(m.Path(lan, "ports", "7")) })
	for i, path := range []string{"port", "stream", "port", "ports/7/port"} {
		want := i + 1
		if i == 3 {
			want = 7
		}
		fd := open(t, m.Path(lan, path), unix.O_RDWR)
		if got, err := unix.IoctlGetUint32(fd, portNumber); err != nil || int(got) != want {
			t.Errorf("%s: number %d, %v, not %d", path, got, err, want)
		}
		// TCGETS (isatty), a write of ours, and one that nobody knows.
		for _, request := range []uint{unix.TCGETS, 0x40044901, 0x80044902, 0x80084901} {
			_, err := unix.IoctlGetUint32(fd, request)
			expectErr(t, fmt.Sprintf("%s: ioctl %#x", path, request), err, unix.ENOTTY)
		}
	}
	fd := open(t, m.Path(lan, "mtu"), unix.O_RDONLY)
	_, err := unix.IoctlGetUint32(fd, portNumber)
	expectErr(t, "mtu: ioctl", err, unix.ENOTTY)
}

// When all numbers are taken open fails; a number given back can be had again.
func TestNoFreePort(t *testing.T) {
	m := start(t)
	harness.Set(t, "2", m.Path(lan, "maxports"))
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	for _, door := range doors {
		_, err := unix.Open(m.Path(lan, door), unix.O_RDWR, 0)
		expectErr(t, "open "+door, err, unix.EUSERS)
	}
	send(t, w, "as before")
	expect(t, r, "as before")
	closeNow(t, r)
	fd := openPort(t, m, unix.O_RDONLY)
	if got, err := unix.IoctlGetUint32(fd, portNumber); err != nil || got != 1 {
		t.Errorf("number %d, %v", got, err)
	}
	send(t, w, "as before")
	expect(t, fd, "as before")
}

// stat shows an empty file, also while frames wait.
func TestStat(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	send(t, w, "waits")
	for _, door := range doors {
		info, err := os.Stat(m.Path(lan, door))
		if err != nil || !info.Mode().IsRegular() || info.Size() != 0 {
			t.Errorf("%s: %v, %v", door, info, err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(r, &st); err != nil || st.Size != 0 {
		t.Errorf("size %d, %v", st.Size, err)
	}
	if n := m.Stats(t, lan)["ports"]; n != 2 {
		t.Errorf("stat made a port: there are %d", n)
	}
	for _, change := range []error{unix.Ftruncate(w, 0), unix.Ftruncate(w, 100), unix.Fsync(w), unix.Truncate(m.Path(lan, "port"), 0)} {
		if change != nil {
			t.Error(change)
		}
	}
	expect(t, r, "waits")
}
