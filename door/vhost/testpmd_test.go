package vhost

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// testpmd is DPDK's test program: its ports are two front ends, as those of guests
// are, and what comes by the one it sends by the other.
func TestTestpmd(t *testing.T) {
	program := harness.NeedProgram(t, "dpdk-testpmd")
	for what, c := range map[string]struct {
		length   int // of a frame, in bytes
		segments string
		buffer   int // bytes
		buffers  int // enough for all places in both rings
		bursts   int // of 32 frames, that are under way
	}{
		"64 bytes":    {64, "64", 2176, 8192, 4},
		"1514 bytes":  {1514, "1514", 2176, 8192, 4},
		"60000 bytes": {60000, "60000", 62000, 2048, 1},
		"chains":      {9000, "1800,1800,1800,1800,1800", 2176, 8192, 2},
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			path := filepath.Join(t.TempDir(), "vhost")
			left := listen(t, l.Net, path)
			var out bytes.Buffer
			cmd := exec.Command(program, "--no-huge", "--no-pci", "--no-telemetry", "-m", "512", "--lcores", lcores(t),
				fmt.Sprintf("--file-prefix=ipnfs%d", os.Getpid()), "--vdev=net_virtio_user0,path="+path, "--vdev=net_virtio_user1,path="+path,
				"--", "-i", "--forward-mode=io", fmt.Sprintf("--mbuf-size=%d", c.buffer), fmt.Sprintf("--total-num-mbufs=%d", c.buffers), "--txpkts="+c.segments)
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if t.Failed() {
					t.Logf("%s", out.Bytes())
				}
			}()
			bustest.WaitFor(t, "both ports", func() bool { return len(l.Net.Ports()) == 2 })
			fmt.Fprintf(in, "start tx_first %d\n", c.bursts)
			const enough = 100000
			bustest.WaitFor(t, "the first frames", func() bool { return l.Net.Stats().Received >= 1000 })
			began, had := time.Now(), l.Net.Stats()
			bustest.WaitFor(t, "frames to come back again and again", func() bool { return l.Net.Stats().Received >= had.Received+enough })
			got, took := l.Net.Stats(), time.Since(began).Seconds()
			t.Logf("%.2f million frames/s, %.1f Gbit/s", float64(got.Received-had.Received)/took/1e6, float64(got.ReceivedBytes-had.ReceivedBytes)*8/took/1e9)
			if n := got.Dropped(); n != 0 {
				t.Errorf("%d frames are lost", n)
			}
			if mean := (got.ReceivedBytes - had.ReceivedBytes) / (got.Received - had.Received); mean != uint64(c.length) {
				t.Errorf("frames have %d bytes", mean)
			}
			fmt.Fprintln(in, "stop\nquit")
			bustest.WaitFor(t, "it to leave", func() bool { return left.Load() == 2 })
		})
	}
}

// lcores names two processors for the two threads that it has.
func lcores(t *testing.T) string {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	var cpus []int
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return fmt.Sprintf("0@%d,1@%d", cpus[0], cpus[len(cpus)-1])
}

// listen serves who connects at a path until the test ends, and counts who has left.
func listen(t *testing.T, n *bus.Network, path string) (left *atomic.Int64) {
	t.Helper()
	left = new(atomic.Int64)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			file, err := conn.(*net.UnixConn).File()
			conn.Close()
			if err != nil {
				t.Error(err)
				return
			}
			fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			file.Close()
			if err == nil {
				err = unix.SetNonblock(fd, true)
			}
			if err != nil {
				t.Error(err)
				return
			}
			v := &bus.Visitor{Network: n, FD: fd, Recv: true, Send: true, Left: func() { left.Add(1) }}
			go func() {
				if err := serve(v); err != nil {
					t.Error(err)
				}
			}()
		}
	}()
	return left
}
