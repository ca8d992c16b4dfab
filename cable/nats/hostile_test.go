package nats

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
)

// liar is a server that says what a test wants, to each who connects.
func liar(t *testing.T, talk func(c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

const welcome = `INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576}` + "\r\n"

// agree answers a client until it has subscribed, as a server does.
func agree(c net.Conn) {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write([]byte(welcome))
	buf := make([]byte, 4096)
	for pings := 0; pings < 2; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		for range strings.Count(string(buf[:n]), "PING\r\n") {
			pings++
			c.Write([]byte("PONG\r\n"))
		}
	}
}

// A server may say what it likes: the cable is down with a reason, or tries again.
func TestHostileServer(t *testing.T) {
	repeat := func(text string, n int) func(c net.Conn) {
		return func(c net.Conn) {
			agree(c)
			for range n {
				if _, err := c.Write([]byte(text)); err != nil {
					return
				}
			}
			c.Read(make([]byte, 4096))
		}
	}
	say := func(text string) func(c net.Conn) {
		return func(c net.Conn) {
			c.Write([]byte(text))
			c.SetDeadline(time.Now().Add(time.Second))
			c.Read(make([]byte, 4096))
		}
	}
	for what, c := range map[string]struct {
		talk   func(c net.Conn)
		reason string
	}{
		"it hangs up":           {func(net.Conn) {}, "hung up"},
		"it is another":         {say("SSH-2.0-OpenSSH_9.2\r\n"), "no NATS server"},
		"it says no JSON":       {say("INFO {\r\n"), "no NATS server"},
		"its line has no end":   {say(strings.Repeat("INFO ", 20000)), ""},
		"clear text before TLS": {say(strings.TrimSuffix(welcome, "}\r\n") + `,"tls_required":true}` + "\r\nPING\r\n"), "clear text"},
		"TLS that is none":      {say(strings.TrimSuffix(welcome, "}\r\n") + `,"tls_required":true}` + "\r\n"), ""},
		"it takes nothing":      {say(strings.Replace(welcome, "1048576", "10", 1)), ""},
		"a huge message":        {repeat("MSG ipnfs.lan.all 2 2000000000\r\n", 1), "8 MiB"},
		"a long subject":        {repeat("MSG "+strings.Repeat("a", 1000), 100), "64 KiB"},
		"complaints":            {repeat("-ERR 'Permissions Violation for Publish to x'\r\n", 5000), ""},
		"an error":              {repeat("-ERR 'Slow Consumer'\r\n", 1), "Slow Consumer"},
		"garbage":               {repeat("\x00\x01\x02\r\n", 1), ""},
	} {
		t.Run(what, func(t *testing.T) {
			m := &member{Lab: bustest.NewLab(t, "switch")}
			m.lay(t, "nats://"+liar(t, c.talk)+"/lan")
			bustest.WaitFor(t, "the cable to be down", func() bool { return m.word("state") == "down" })
			bustest.WaitFor(t, "the reason", func() bool { return strings.Contains(m.line(), c.reason) })
			m.detach()
		})
	}
	if _, err := unix.FcntlInt(0, unix.F_GETFD, 0); err != nil {
		t.Errorf("descriptor 0, which is another's: %v", err)
	}
}
