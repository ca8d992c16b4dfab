package netns

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onOwnThread runs f on a thread that ends afterwards, so that f may change
// its namespaces and credentials.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			result <- f()
			return
		}
		// The main thread cannot end: it would stay as f left it, and is what
		// /proc/PID shows. While it is held here, f gets another one.
		result <- onOwnThread(f)
		runtime.UnlockOSThread()
	}()
	return <-result
}
