package nats

import (
	"fmt"
	"strings"
	"testing"
)

// What a server sends is looked at the same way whatever the pieces that it comes in.
func TestScan(t *testing.T) {
	long := strings.Repeat("a", 9000)
	msg := "MSG ipnfs.lan.all 1 %d\r\n%s\r\n"
	for what, c := range map[string]struct {
		sent string
		want error
	}{
		"a talk":                 {"INFO {}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'no'\r\n" + fmt.Sprintf(msg, 3, "abc") + "PING\r\n", nil},
		"no bytes":               {fmt.Sprintf(msg, 0, "") + fmt.Sprintf(msg, 2, "\r\n"), nil},
		"lines in a message":     {fmt.Sprintf(msg, 28, "MSG a 1 99999999999\r\nMSG a 1 9"), nil},
		"a message too long":     {"MSG a 1 8388609\r\n", errMessage},
		"the longest":            {"MSG a 1 8388608\r\n", nil},
		"another case":           {"msg a 1 99999999\r\n", errMessage},
		"with headers":           {"HMSG a 1 12 99999999\r\n", errMessage},
		"with an answer":         {"MSG a 1 _INBOX.x 99999999 \r\n", errMessage},
		"behind a message":       {fmt.Sprintf(msg, 3, "abc") + "MSG a 1 99999999\r\n", errMessage},
		"no number":              {"MSG a 1 x\r\n", errMessage},
		"one that is too long":   {"MSG a 1 99999999999999999999\r\n", errMessage},
		"behind a tail":          {"MSG a 1 1\r\naMSG b 1 99999999\r\nMSG a 1 99999999\r\n", errMessage},
		"a long subject":         {"MSG " + strings.Repeat("a", 4000) + " 1 3\r\nabc\r\n", nil},
		"too long a subject":     {"MSG " + long + " 1 3\r\nabc\r\n", errLine},
		"a long line":            {"INFO " + long + "\r\n", nil},
		"too long a line":        {"INFO " + strings.Repeat(long, 8) + "\r\n", errLine},
		"a line without end":     {strings.Repeat(long, 8), errLine},
		"more than one complain": {strings.Repeat("-ERR 'no'\r\n", maxComplaints+1), errComplaints},
	} {
		for _, step := range []int{1, 2, 3, 7, 1000, 1 << 20} {
			var s scanner
			var err error
			for at := 0; at < len(c.sent) && err == nil; at += step {
				err = s.scan([]byte(c.sent[at:min(at+step, len(c.sent))]))
			}
			if step > maxMessageArg && c.want == errLine && err == nil {
				continue // it was there already when it was looked at
			}
			if err != c.want {
				t.Errorf("%s, by %d: %v, want %v", what, step, err, c.want)
			}
			if cap(s.line) > 2*maxMessageArg {
				t.Errorf("%s, by %d: %d bytes are kept", what, step, cap(s.line))
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("MSG a 1 3\r\nabc\r\nPING\r\n"), uint8(3))
	f.Add([]byte("HMSG a 1 r 12 13\r\nNATS/1.0\r\n\r\na\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, sent []byte, step uint8) {
		if len(sent) > 4096 { // what nats.go reads at once bounds a line in one piece
			return
		}
		var whole, cut scanner
		want := whole.scan(sent)
		var err error
		for at := 0; at < len(sent) && err == nil; at += 1 + int(step) {
			err = cut.scan(sent[at:min(at+1+int(step), len(sent))])
		}
		if err != want || err == nil && (whole.skip != cut.skip || whole.cut != cut.cut) {
			t.Fatalf("whole %v %+v, cut %v %+v", want, whole, err, cut)
		}
	})
}
