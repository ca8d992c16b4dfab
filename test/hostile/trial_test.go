package hostile

import (
	"fmt"
	"runtime"
	"testing"
)

// trial is the testing.TB of one try of an attack. It keeps what failed: the
// row decides what that means.
type trial struct {
	testing.TB
	over  []string // limits: another try may be better
	wrong []string // all else
	undo  []func()
}

// try runs f, and then what it left to Cleanup.
func try(t *testing.T, f func(*trial)) *trial {
	r := &trial{TB: t}
	r.run(func() { f(r) })
	for len(r.undo) > 0 {
		last := r.undo[len(r.undo)-1]
		r.undo = r.undo[:len(r.undo)-1]
		r.run(last)
	}
	return r
}

// run runs f on a goroutine that FailNow may end.
func (r *trial) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// exceeds keeps what is over a limit.
func (r *trial) exceeds(format string, args ...any) {
	r.over = append(r.over, fmt.Sprintf(format, args...))
}

// The methods of testing.TB that fail or end a test.

func (r *trial) Cleanup(f func())                  { r.undo = append(r.undo, f) }
func (r *trial) Failed() bool                      { return len(r.wrong) > 0 }
func (r *trial) FailNow()                          { runtime.Goexit() }
func (r *trial) Error(args ...any)                 { r.wrong = append(r.wrong, fmt.Sprint(args...)) }
func (r *trial) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }
func (r *trial) Fatal(args ...any)                 { r.Error(args...); r.FailNow() }
func (r *trial) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }
