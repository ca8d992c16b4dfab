package fault

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// What a sender waits for may change or leave: it goes on, and its frame goes
// where the new state says.
func TestBlockEnds(t *testing.T) {
	ends := map[string]struct {
		end  func(t *testing.T, m *harness.Mounted, full int)
		want string // what the full receiver has then
	}{
		"drop-new":   {func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "drop-new", m.Path(lan, "overflow")) }, "fills the queue"},
		"drop-old":   {func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "drop-old", m.Path(lan, "overflow")) }, "waits"},
		"disconnect": {func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "disconnect", m.Path(lan, "overflow")) }, "fills the queue,EOF"},
		"queue":      {func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "2", m.Path(lan, "queue")) }, "fills the queue,waits"},
		"its queue": {func(t *testing.T, m *harness.Mounted, full int) {
			harness.Set(t, "2", m.Path(lan, "ports", number(t, full), "queue"))
		}, "fills the queue,waits"},
		"its overflow": {func(t *testing.T, m *harness.Mounted, full int) {
			harness.Set(t, "drop-old", m.Path(lan, "ports", number(t, full), "overflow"))
		}, "waits"},
		"close":  {func(t *testing.T, _ *harness.Mounted, full int) { closeNow(t, full) }, ""},
		"remove": {func(t *testing.T, m *harness.Mounted, full int) { removePort(t, m, number(t, full)) }, "fills the queue,EOF"},
	}
	for name, c := range ends {
		for _, door := range doors {
			t.Run(name+" "+door, func(t *testing.T) {
				m := start(t)
				full := fill(t, m)
				w := open(t, m.Path(lan, door), unix.O_WRONLY)
				text := form(door, "waits")
				waiting := writing(w, []byte(text))
				awaitBlocked(t, m, 1)
				c.end(t, m, full)
				if got := await(t, "write", waiting); got.n != len(text) || got.err != nil {
					t.Fatalf("write: %d, %v", got.n, got.err)
				}
				m.CheckBalance(t, lan)
				for _, want := range strings.Split(c.want, ",") {
					switch want {
					case "":
					case "EOF":
						expectEOF(t, full)
					default:
						expect(t, full, want)
					}
				}
			})
		}
	}
}

// The receiver that a sender waits for is killed, stopped before or not.
func TestBlockKill(t *testing.T) {
	for kind, newSlow := range slow {
		t.Run(kind, func(t *testing.T) {
			m := start(t)
			harness.Set(t, "block", m.Path(lan, "overflow"))
			harness.Set(t, "1", m.Path(lan, "queue"))
			_, end := newSlow(t, m, "port")
			w := openPort(t, m, unix.O_WRONLY)
			send(t, w, "fills the queue")
			waiting := writing(w, []byte("waits"))
			awaitBlocked(t, m, 1)
			end()
			if got := await(t, "write", waiting); got.err != nil {
				t.Fatal(got.err)
			}
		})
	}
}

// A stopped receiver gets all, in order, once it goes on.
func TestBlockStopped(t *testing.T) {
	m := start(t)
	harness.Set(t, "block", m.Path(lan, "overflow"))
	harness.Set(t, "4", m.Path(lan, "queue"))
	c, _ := caller(t, m, "port", "read", "none")
	c.Signal(t, unix.SIGSTOP)
	c.AwaitStopped(t)
	w := openPort(t, m, unix.O_WRONLY)
	var waiting []<-chan result
	for i, f := range ten {
		if i < 4 {
			send(t, w, f)
			continue
		}
		// One sender a frame: they wait in the order of their calls.
		waiting = append(waiting, writing(openPort(t, m, unix.O_WRONLY), []byte(f)))
		awaitBlocked(t, m, i-3)
	}
	c.Signal(t, unix.SIGCONT)
	c.Expect(t, "read EINTR")
	for _, f := range ten {
		c.Tell(t, "again")
		c.Expect(t, "read "+f)
	}
	for _, done := range waiting {
		if got := await(t, "write", done); got.n != 2 || got.err != nil {
			t.Errorf("write: %d, %v", got.n, got.err)
		}
	}
	c.AwaitEnd(t)
}

// A sender whose own port is removed while it waits is told so.
func TestBlockSenderRemoved(t *testing.T) {
	m := start(t)
	full, w := fill(t, m), openPort(t, m, unix.O_WRONLY)
	waiting := writing(w, []byte("waits"))
	awaitBlocked(t, m, 1)
	removePort(t, m, number(t, w))
	expectErr(t, "write", await(t, "write", waiting).err, unix.ECONNRESET)
	expect(t, full, "fills the queue")
	expectEmpty(t, full)
}
