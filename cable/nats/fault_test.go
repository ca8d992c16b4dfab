package nats

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
)

func (m *member) number(tb testing.TB, key string) int {
	tb.Helper()
	n, err := strconv.Atoi(m.word(key))
	if err != nil {
		tb.Fatalf("%s in %s: %v", key, m.line(), err)
	}
	return n
}

// A server that is killed under load costs frames for as long as it takes to connect
// to the next. Each frame that was sent has come, or is counted as lost once.
func TestServerKilled(t *testing.T) {
	servers := newServers(t, 3, "")
	a := newMember(t, "broadcast", fmt.Sprintf("nats://%s,%s/lan", servers[0].addr, servers[1].addr), 1)
	b := newMember(t, "broadcast", fmt.Sprintf("nats://%s/lan", servers[2].addr), 2)
	a.awaitUp(t)
	b.awaitUp(t)
	bustest.WaitFor(t, "a frame to come", func() bool {
		a.send(t, everybody, 1, 60)
		n, _ := b.counter.from(a.index)
		return n > 0
	})
	time.Sleep(10 * time.Millisecond)
	came, _ := b.counter.from(a.index)
	missing := a.sent - came // before b was heard of

	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				a.send(t, everybody, 32, 200)
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	bustest.WaitFor(t, "load", func() bool { n, _ := b.counter.from(a.index); return n > 5000 })
	servers[0].stop()
	killed := time.Now()
	bustest.WaitFor(t, "the cable to notice", func() bool { return a.word("state") == "down" })
	noticed := time.Now()
	bustest.WaitFor(t, "the cable to be up", func() bool { return a.word("state") == "up" })
	up := time.Now()
	before, _ := b.counter.from(a.index)
	bustest.WaitFor(t, "frames to come again", func() bool { n, _ := b.counter.from(a.index); return n > before+1000 })
	t.Logf("noticed after %v, connected %v later, frames %v later", noticed.Sub(killed), up.Sub(noticed), time.Since(up))
	if peer := a.word("peer"); peer != servers[1].addr {
		t.Errorf("it is connected to %s", peer)
	}
	close(stop)
	<-ended

	dropped := func() int { return int(lanetest.Count(a.port, "drop_device") + lanetest.Count(a.port, "drop_full")) }
	balance := func() (sum int, text string) {
		n, twice := b.counter.from(a.index)
		if twice > 0 {
			t.Fatalf("%d frames came twice", twice)
		}
		lost := b.number(t, "lost")
		return n + dropped() + lost + missing, fmt.Sprintf("%d came, %d dropped, %d lost on the way, %d before, of %d", n, dropped(), lost, missing, a.sent)
	}
	bustest.WaitFor(t, "each frame to be accounted for", func() bool {
		sum, text := balance()
		if sum > a.sent {
			t.Fatal(text)
		}
		return sum == a.sent
	})
	_, text := balance()
	t.Log(text)
	if dropped() == 0 {
		t.Error("no frame was dropped while there was no server")
	}
}

// A server that stands still is given up, and blocks nobody meanwhile.
func TestServerStopped(t *testing.T) {
	servers := newServers(t, 2, "")
	a := newMember(t, "broadcast", fmt.Sprintf("nats://%s,%s/lan", servers[0].addr, servers[1].addr), 1)
	a.awaitUp(t)
	if err := unix.Kill(servers[0].cmd.Process.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.send(t, everybody, 20000, 1000)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("sending took %v", took)
	}
	bustest.WaitFor(t, "the next server", func() bool { return a.word("state") == "up" && a.word("peer") == servers[1].addr })
	t.Logf("up again after %v", time.Since(began))
	detached := time.Now()
	a.detach()
	if took := time.Since(detached); took > time.Second {
		t.Errorf("taking it off took %v", took)
	}
}

// What others publish on the subjects of a cable is dropped and counted, and does not
// keep frames away.
func TestGarbage(t *testing.T) {
	servers := newServers(t, 1, "")
	list := group(t, "switch", servers, 2)
	a, b := list[0], list[1]
	c := dial(t, servers[0].addr)
	wrong := 0
	direct := a.d.subject(a.d.id)
	for _, subject := range []string{a.d.all.subject, direct} {
		for _, message := range [][]byte{
			nil, []byte("hello"), make([]byte, 1000), append([]byte{2}, made(header{sender: 9}, []byte("version 2"))[1:]...),
			made(header{sender: 9, sequence: 1 << 63}, []byte("x")), make([]byte, 1<<20-100),
			append(made(header{sender: 9}, []byte("frame")), 1),
		} {
			if err := c.PublishMsg(&client.Msg{Subject: subject, Data: message, Reply: "_INBOX.x", Header: client.Header{"A": {"b"}}}); err != nil {
				t.Fatal(err)
			}
			wrong++
		}
	}
	c.Publish(direct, made(header{sender: a.d.id, sequence: 7}, []byte("as if it were a's own")))
	c.Flush()
	bustest.WaitFor(t, "garbage to be counted", func() bool { return int(lanetest.Count(a.port, "drop_malformed")) >= wrong })
	if got := a.number(t, "twice"); got != 1 {
		t.Errorf("%d messages were dropped as they came before", got)
	}
	// Frames that are too short for a switch, in good messages.
	c.Publish(direct, made(header{sender: 9}, []byte("short"), make([]byte, 13)))
	bustest.WaitFor(t, "short frames to be counted", func() bool { return int(lanetest.Count(a.port, "drop_malformed")) >= wrong+2 })
	b.send(t, everybody, 100, 100)
	sent := b.sent
	bustest.WaitFor(t, "frames to come", func() bool { n, _ := a.counter.from(b.index); return n == sent })
}

// Who floods the subjects of a cable costs no more memory than it may, and others their
// frames at most.
func TestFlood(t *testing.T) {
	servers := newServers(t, 1, "")
	list := group(t, "switch", servers, 2)
	a := list[0]
	c := dial(t, servers[0].addr)
	used := a.Net.Memory().Used()
	frames := make([][]byte, 400)
	end := time.Now().Add(2 * time.Second)
	if testing.Short() {
		end = time.Now().Add(200 * time.Millisecond)
	}
	for n := 0; time.Now().Before(end); n++ {
		for i := range frames {
			frames[i] = heard(station(n*len(frames) + i))
		}
		if err := c.Publish(a.d.all.subject, made(header{sender: uint64(1000 + n), sequence: uint64(n * 7)}, frames...)); err != nil {
			t.Fatal(err)
		}
		if extra := a.Net.Memory().Used() - used; extra > maxWaiting+maxStations*(stationCost+nodeCost)+maxStreams*streamCost+8<<20 {
			t.Fatalf("%d bytes are charged more than before", extra)
		}
	}
	c.Flush()
	bustest.WaitFor(t, "a frame of another to come", func() bool {
		list[1].send(t, everybody, 1, 60)
		n, _ := a.counter.from(list[1].index)
		return n > 0
	})
	if n := a.number(t, "stations"); n > maxStations {
		t.Errorf("%d stations are known", n)
	}
}
