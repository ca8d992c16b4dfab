package fault

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A write that waits holds the inode that it was opened by. Each lookup gives
// another one, so chmod does not wait behind it, however often it comes.
func TestChmodBesideWaitingWriter(t *testing.T) {
	m := start(t)
	harness.Set(t, "block", m.Path(lan, "overflow"))
	harness.Set(t, "1", m.Path(lan, "queue"))
	if err := os.Mkdir(m.Path(lan, "ports/1"), 0o755); err != nil {
		t.Fatal(err)
	}
	door := m.Path(lan, "ports/1/port")
	r, w := openPort(t, m, unix.O_RDONLY), open(t, door, unix.O_WRONLY)
	send(t, w, "one")
	waiting := writing(w, []byte("two"))
	awaitBlocked(t, m, 1)
	done := make(chan error, 1)
	go func() {
		for range 1000 {
			if err := os.Chmod(door, 0o600); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(6 * harness.Deadline):
		t.Error("chmod waits for the writer")
	}
	expect(t, r, "one")
	expect(t, r, "two")
	if got := await(t, "write", waiting); got.err != nil {
		t.Error(got.err)
	}
	if err := os.Remove(m.Path(lan, "ports/1")); err != nil {
		t.Error(err)
	}
}
