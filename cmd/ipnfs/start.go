package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/fs"
)

// begin waits for start, or for what ends the mount before: a signal, or the
// end of the parent that waits.
func begin(o *mountOptions, tree *fs.FS, tell *pipe, ends <-chan os.Signal) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var failed error
	started := make(chan struct{})
	go func() {
		failed = start(ctx, o, tree, tell != nil)
		close(started)
	}()
	select {
	case <-started:
		return failed
	case s := <-ends:
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
func start(ctx context.Context, o *mountOptions, tree *fs.FS, behind bool) error {
	var st unix.Stat_t
	if err := unix.Stat(o.dir, &st); err != nil {
		return failf(exitMount, "%s does not answer: %w", o.dir, err)
	}
	if o.rc != "" {
		if err := runScript(ctx, o, tree); err != nil {
			return err
		}
	}
	if !behind {
		return nil
	}
	unix.Umask(0o022)
	return os.Chdir("/")
}
