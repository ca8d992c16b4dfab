package creds

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnOwnThread runs f on a thread that ends afterwards, so that f may change its
// namespaces and credentials, and waits for it.
func OnOwnThread(f func() error) error {
	result := make(chan error, 1)
	go onLockedThread(f, result)
	return <-result
}

func onLockedThread(f func() error, result chan<- error) {
	// Never unlocked: the thread ends with the goroutine.
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end: it would stay as f left it, and is what
		// /proc/PID shows. While it is held here, f gets another one.
		result <- OnOwnThread(f)
		runtime.UnlockOSThread()
		return
	}
	result <- f()
}
