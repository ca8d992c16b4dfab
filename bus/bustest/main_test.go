package bustest

import (
	"testing"
	"time"
)

// shorten makes WaitFor give up soon, for what never comes.
func shorten(t *testing.T) {
	before := waitLimit
	waitLimit = 20 * time.Millisecond
	t.Cleanup(func() { waitLimit = before })
}
