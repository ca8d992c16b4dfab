package fault

import (
	"testing"

	"ipnfs/test/harness"
)

// form is how frames look in a door.
func form(door string, frames ...string) string {
	var b []byte
	for _, f := range frames {
		if door == "stream" {
			b = append(b, byte(len(f)>>8), byte(len(f)))
		}
		b = append(b, f...)
	}
	return string(b)
}

// streamed is form of a stream, as bytes.
func streamed(frames ...string) []byte { return []byte(form("stream", frames...)) }

// openStream opens the stream of the network lan.
func openStream(t *testing.T, m *harness.Mounted, flags int) int {
	t.Helper()
	return open(t, m.Path(lan, "stream"), flags)
}

// readBytes reads until n bytes have come, in calls of up to size.
func readBytes(t *testing.T, fd, n int, size func() int) []byte {
	t.Helper()
	var all []byte
	for len(all) < n {
		data := read(t, fd, size())
		if len(data) == 0 {
			t.Fatalf("end of file after %d of %d bytes", len(all), n)
		}
		all = append(all, data...)
	}
	return all
}

// numbered makes n frames with different lengths and contents.
func numbered(n, longest int) []string {
	frames := make([]string, n)
	for i := range frames {
		frames[i] = string(pattern(1+i*7919%longest, byte(i)))
	}
	return frames
}
