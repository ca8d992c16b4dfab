package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/fs"
)

// begin lets the tree serve, and waits for start, or for what ends the mount
// before: a signal, or the end of the parent that waits. The rc script has all
// rights of whoever mounts, so its process is there before the others are given
// up; and they are before any request is served.
func begin(o *mountOptions, tree *fs.FS, serve func(), tell *pipe, ends chan os.Signal) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rc, err := holdScript(ctx, o)
	if err == nil {
		err = confine()
	}
	serve()
	if err != nil {
		cancel()
		rc.abandon()
		return failf(exitSystem, "%w", err)
	}
	var failed error
	started := make(chan struct{})
	go func() {
		failed = start(o, tree, rc, tell != nil)
		close(started)
	}()
	select {
	case <-started:
		return failed
	case s := <-ends:
		if o.rc == "" { // then it is mounted in a moment
			<-started
			select {
			case ends <- s:
			default: // one is enough
			}
			return failed
		}
		err = failf(exitMount, "%s: ended before the rc script: %v", o.dir, s)
	case <-tell.abandoned():
		err = failf(exitMount, "%s: the command that mounts was ended before the rc script", o.dir)
	}
	cancel()
	<-started
	return err
}

// start waits until the tree answers and runs the rc script on it. Behind, the
// process then leaves the directory and the umask of the caller.
func start(o *mountOptions, tree *fs.FS, rc *script, behind bool) error {
	var st unix.Stat_t
	if err := unix.Stat(o.dir, &st); err != nil {
		rc.abandon()
		return failf(exitMount, "%s does not answer: %w", o.dir, err)
	}
	openSockets(o.dir, tree)
	if err := rc.run(tree); err != nil {
		return err
	}
	if !behind {
		return nil
	}
	unix.Umask(0o022)
	return os.Chdir("/")
}
