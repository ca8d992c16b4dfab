package ether

import (
	"bufio"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"ipnfs/test/harness"
)

// capture is a tcpdump(8) on eth0 of a host.
type capture struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

// capture starts tcpdump with a filter and returns when it listens.
func (h *host) capture(words ...string) *capture {
	h.t.Helper()
	c := &capture{t: h.t}
	cmd := exec.Command("tcpdump", append([]string{"-i", "eth0", "-n", "-l", "--immediate-mode"}, words...)...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	h.In(cmd.Start)
	var reader sync.WaitGroup
	reader.Go(func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			c.mu.Lock()
			c.b.WriteString(lines.Text() + "\n")
			c.mu.Unlock()
		}
	})
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reader.Wait()
		_ = cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("tcpdump said:\n%s", c.b.String())
		}
	})
	c.await("listening on")
	return c
}

// await waits until a line has the text.
func (c *capture) await(text string) {
	c.t.Helper()
	harness.Eventually(c.t, "tcpdump to show: "+text, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return strings.Contains(c.b.String(), text)
	})
}
