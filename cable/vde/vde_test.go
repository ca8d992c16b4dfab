package vde

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/cable/cabletest"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/vdeplug"
	"ipnfs/test/harness"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	for text, want := range map[string]dialer{
		"vde:///run/sw":            {"/run/sw", 0},
		"vde:///run/sw/?port=7":    {"/run/sw", 7},
		"vde:///a%20b?port=4095":   {"/a b", 4095},
		"vde:///run/sw?port=0":     {},
		"vde:///run/sw?port=-1":    {},
		"vde://run/sw":             {},
		"vde:///run/sw?group=a":    {},
		"vde:///sw?port=1&port=2":  {},
		"vde:///sw?port=268435456": {},
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		d, err := open(l, nil)
		if want.dir == "" {
			if fail.KindOf(err) == 0 {
				t.Errorf("%s is read as %+v, %v", text, d, err)
			}
		} else if err != nil || *d.(*dialer) != want {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
}

// vdeSwitch starts VDE's own switch until the test ends.
func vdeSwitch(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(harness.NeedProgram(t, "vde_switch"), "-x", "-s", dir)
	stdin, err := cmd.StdinPipe() // its end ends the switch
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	bustest.WaitFor(t, "the switch", func() bool {
		c, err := net.Dial("unix", dir+"/ctl")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return cmd
}

// Two networks hear one another by a vde_switch, on the ports that they ask for. One
// that is killed and comes again is joined again; nothing is left of the cables.
func TestSwitch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sw")
	cmd := vdeSwitch(t, dir)
	a, b := cabletest.New(t), cabletest.New(t)
	open := len(lanetest.OpenFiles(t))
	a.Lay(t, "vde://"+dir+"?port=7", "state=up peer="+dir+"/007.")
	b.Lay(t, "vde://"+dir, "state=up peer="+dir+"/001.")
	if !strings.Contains(a.List(), " mtu=1518 ") {
		t.Error(a.List())
	}
	for i := range 50 {
		want := lanetest.Frame(1, i)
		bustest.Send(a.Peer, want)
		if got := b.Frames(t, i+1)[i]; !bytes.Equal(got, want) {
			t.Fatalf("frame %d of %d bytes came as %d", i, len(want), len(got))
		}
		bustest.Send(b.Peer, want)
		if got := a.Frames(t, i+1)[i]; !bytes.Equal(got, want) {
			t.Fatalf("frame %d of %d bytes came back as %d", i, len(want), len(got))
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	a.Await(t, "state=down")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	vdeSwitch(t, dir)
	a.Await(t, "state=up")
	b.Await(t, "state=up")
	before := len(b.Heard.Frames())
	bustest.Send(a.Peer, lanetest.Frame(1, 3))
	b.Frames(t, before+1)
	a.Remove(t, "vde0")
	b.Remove(t, "vde0")
	bustest.WaitFor(t, "descriptors to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= open })
}

// fake is a switch that says what a test has it say.
func fake(t *testing.T, say func(c *net.UnixConn)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	door, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/ctl", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := door.AcceptUnix()
			if err != nil {
				return
			}
			b := make([]byte, vdeplug.MaxRequest)
			if n, err := c.Read(b); err == nil {
				if _, err := vdeplug.Parse(b[:n]); err != nil {
					t.Error(err)
				}
			}
			say(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		door.Close()
		<-done
	})
	return dir
}

// Switches that answer with anything but a socket that waits for the cable get nowhere.
func TestHostileSwitch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "third")
	third, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	abstract, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(abstract)
	name := vdeplug.NewName()
	if err := name.Bind(abstract); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ say, reason string }{
		"hangs up":        {"", "refuses"},
		"says half":       {strings.Repeat("x", 50), "refuses"},
		"says nonsense":   {strings.Repeat("x", 110), "family"},
		"names nothing":   {string(vdeplug.AddressOf("")[:]), "no address"},
		"a file":          {string(vdeplug.AddressOf("/etc/passwd")[:]), "refused"},
		"no file":         {string(vdeplug.AddressOf("/nowhere/x")[:]), "no such file"},
		"a relative path": {string(vdeplug.AddressOf("x/y")[:]), "must begin with /"},
		"a third one's":   {string(vdeplug.AddressOf(path)[:]), "third one's"},
		"an abstract one": {string(name[:]), "third one's"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := fake(t, func(conn *net.UnixConn) { _, _ = conn.Write([]byte(c.say)) })
			l := cabletest.New(t)
			l.Lay(t, "vde://"+dir, "state=down reason=")
			if !strings.Contains(l.List(), c.reason) {
				t.Error(l.List())
			}
			l.Remove(t, "vde0")
		})
	}
}

// A switch that never answers holds up nothing: the cable can be taken off.
func TestSilentSwitch(t *testing.T) {
	let := make(chan struct{})
	dir := fake(t, func(*net.UnixConn) { <-let })
	l := cabletest.New(t)
	l.Lay(t, "vde://"+dir, "state=connecting")
	l.Remove(t, "vde0")
	close(let)
}
