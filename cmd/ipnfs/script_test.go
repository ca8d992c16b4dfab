package main

import "testing"

// A message of any length is kept from its end.
func TestTail(t *testing.T) {
	var said tail
	for range 3 {
		n, err := said.Write(append(make([]byte, scriptText-1), "end"...))
		if n != scriptText+2 || err != nil {
			t.Fatalf("Write gives %d, %v", n, err)
		}
	}
	if len(said.text) != scriptText || string(said.text[scriptText-4:]) != "\x00end" {
		t.Errorf("%d bytes are kept, %q in the end", len(said.text), said.text[max(0, len(said.text)-4):])
	}
}
