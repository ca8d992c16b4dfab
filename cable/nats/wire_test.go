package nats

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"ipnfs/bus/frame"
)

// said is a connection whose other end says something, in pieces of step bytes.
type said struct {
	net.Conn
	text []byte
	step int
}

func (s *said) Read(b []byte) (n int, err error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n = copy(b, s.text[:min(s.step, len(s.text))])
	s.text = s.text[n:]
	return n, nil
}

// kept is a taker that keeps what it gets as text.
type kept struct {
	memory *frame.Memory
	text   string
}

func (k *kept) block(subject []byte, size int) *frame.Block {
	if string(subject) != "a" {
		return nil
	}
	return k.memory.Block(size)
}

func (k *kept) message(subject []byte, b *frame.Block, message []byte, size int) {
	k.text += fmt.Sprintf("%s %d %q;", subject, size, message)
	if b != nil {
		b.Release()
	}
}

// hearAll reads a wire until it ends: what nats.go gets, the messages, and why.
func hearAll(text string, step int) (lines, messages string, err error) {
	k := &kept{memory: frame.NewMemory(1 << 30)}
	w := &wire{Conn: &said{text: []byte(text), step: step}, taker: k, buf: make([]byte, maxLine)}
	buf := make([]byte, 1000)
	for {
		n, err := w.Read(buf)
		lines += string(buf[:n])
		if err != nil {
			if k.memory.Used() != 0 {
				return "", "", fmt.Errorf("%d bytes stay charged", k.memory.Used())
			}
			return lines, k.text, err
		}
	}
}

// What a server sends is taken apart the same way whatever the pieces that it comes in.
func TestWire(t *testing.T) {
	long := strings.Repeat("a", 9000)
	huge := strings.Repeat("b", 100000)
	for what, c := range map[string]struct {
		said, lines, messages string
		want                  error
	}{
		"a talk":              {"INFO {}\r\nPING\r\nMSG a 1 3\r\nabc\r\nPONG\r\n+OK\r\n-ERR 'no'\r\n", "INFO {}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'no'\r\n", `a 3 "abc";`, io.EOF},
		"no bytes":            {"MSG a 1 0\r\n\r\nMSG a 1 2\r\n\r\n\r\nPING\r\n", "PING\r\n", `a 0 "";a 2 "\r\n";`, io.EOF},
		"lines in a message":  {"MSG a 1 28\r\nMSG a 1 99999999999\r\nMSG a 1\r\n", "", `a 28 "MSG a 1 99999999999\r\nMSG a 1";`, io.EOF},
		"to another":          {"MSG b 1 30\r\nabcdefghijklmnopqrstuvwxyz1234\r\nPING\r\n", "PING\r\n", `b 30 "abcdefghijklmnopqrst";`, io.EOF},
		"with headers":        {"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nab\r\n", "", ` 14 "NATS/1.0\r\n\r\nab";`, io.EOF},
		"with an answer":      {"MSG a 1 _INBOX.x 2 \r\nab\r\n", "", `a 2 "ab";`, io.EOF},
		"a long subject":      {"MSG " + long + " 1 1\r\na\r\n", "", long + ` 1 "a";`, io.EOF},
		"a huge one":          {"MSG a 1 100000\r\n" + huge + "\r\nPING\r\n", "PING\r\n", "a 100000 \"" + huge + "\";", io.EOF},
		"one that is cut":     {"MSG a 1 100000\r\nabc", "", "", io.EOF},
		"one without an end":  {"MSG a 1 3\r\nabc", "", "", io.EOF},
		"a long line":         {"INFO " + long + "\r\n", "INFO " + long + "\r\n", "", io.EOF},
		"too long a line":     {"INFO " + huge + "\r\n", "", "", errLine},
		"a message too long":  {"MSG a 1 8388609\r\n", "", "", errMessage},
		"another case":        {"msg a 1 99999999\r\n", "", "", errMessage},
		"headers, too long":   {"HMSG a 1 12 99999999\r\n", "", "", errMessage},
		"no number":           {"MSG a 1 x\r\n", "", "", errMessage},
		"below 0":             {"MSG a 1 -1\r\n", "", "", errMessage},
		"no words":            {"MSG\r\n", "", "", errMessage},
		"nothing":             {"\n", "\n", "", io.EOF},
		"too many complaints": {strings.Repeat("-ERR 'no'\r\n", maxComplaints+1), strings.Repeat("-ERR 'no'\r\n", maxComplaints), "", errComplaints},
		"the most complaints": {strings.Repeat("-ERR 'no'\r\n", maxComplaints), strings.Repeat("-ERR 'no'\r\n", maxComplaints), "", io.EOF},
	} {
		for _, step := range []int{1, 2, 3, 7, 1000, 1 << 20} {
			lines, messages, err := hearAll(c.said, step)
			if lines != c.lines || messages != c.messages || err != c.want {
				t.Errorf("%s, by %d: %.100q %.100q %v, want %v", what, step, lines, messages, err, c.want)
			}
		}
	}
}

func FuzzWire(f *testing.F) {
	f.Add([]byte("MSG a 1 3\r\nabc\r\nPING\r\n"), uint8(3))
	f.Add([]byte("HMSG a 1 r 12 13\r\nNATS/1.0\r\n\r\na\r\n-ERR 'x'\r\n"), uint8(200))
	f.Add(bytes.Repeat([]byte("MSG b 1 25\r\n0123456789012345678901234\r\n"), 3), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		lines, messages, err := hearAll(string(text), 1<<20)
		if cut, took, why := hearAll(string(text), 1+int(step)); cut != lines || took != messages || why != err {
			t.Fatalf("whole %q %q %v, cut %q %q %v", lines, messages, err, cut, took, why)
		}
	})
}
