package tls

import (
	"context"
	"net"
	"os"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/cable"
	"ipnfs/words"
)

// A user whose threads hang keeps no cable of another's from listening.
func TestHangingUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	origins := make(chan *cable.Origin, 1)
	cable.Register(cable.Scheme{Name: "origin", Open: func(_ words.Locator, o *cable.Origin) (cable.Dialer, error) {
		origins <- o
		return idle{}, nil
	}})
	m := newMember(t, "a")
	by := self()
	by.UID, by.Rights.UID = 54321, 54321
	if err := bus.AttacherOf("cable").Attach(m.Net, by, "origin://x name=o"); err != nil {
		t.Fatal(err)
	}
	defer m.detach("o")
	o := <-origins
	const threads = 8 // of a user at once
	running, hang := make(chan bool), make(chan bool)
	taken, err := net.Listen("tcp", "127.0.0.1:0") // so that it comes to nothing in the end
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	entered := make(chan bool)
	defer func() { close(hang); <-entered }()
	for range threads {
		go func() { _ = o.Do(func() error { running <- true; <-hang; return nil }) }()
	}
	for range threads {
		<-running
	}
	entering := make(chan bool)
	go func() {
		defer close(entered)
		close(entering)
		if g, err := enter(context.Background(), &listener{settings: settings{address: taken.Addr().String()}}, o); err == nil {
			t.Errorf("an address that is taken gives a gate: %v", g)
		}
	}()
	<-entering
	addr := freeAddr(t)
	m.lay("c", "tls-listen://%s?cert=%s&pin=%s", addr, m.file, m.pin)
	bustest.WaitFor(t, "somebody to listen", func() bool {
		gates.mu.Lock()
		defer gates.mu.Unlock()
		return len(gates.list) == 1
	})
}

// idle is a Dialer that waits.
type idle struct{}

func (idle) Dial(ctx context.Context, _ *cable.Plug) (*cable.Link, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (idle) Close() {}
