package device

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openFiles tells what the descriptors of this process are.
func openFiles(t testing.TB) (files []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if file, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// quiet counts them when all loops that are to end have ended. A goroutine that
// has not begun yet shows only who created it.
func quiet(t testing.TB) int {
	t.Helper()
	buf := make([]byte, 1<<20)
	bustest.WaitFor(t, "the loops of before to end", func() bool {
		running := bytes.Count(buf[:runtime.Stack(buf, true)], []byte("created by ipnfs/iface/device.acquireLoop "))
		loops.mu.Lock()
		defer loops.mu.Unlock()
		return running == len(loops.list)
	})
	return len(openFiles(t))
}

// awaitClosed waits until as many descriptors are open as there should be.
func awaitClosed(t testing.TB, want int) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("want %d descriptors, there are %q", want, openFiles(t))
		}
	}()
	bustest.WaitFor(t, "all to be closed", func() bool { return len(openFiles(t)) == want })
}
