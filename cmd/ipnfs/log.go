package main

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"runtime/debug"

	"github.com/sirupsen/logrus"
	logsyslog "github.com/sirupsen/logrus/hooks/syslog"
	"golang.org/x/sys/unix"
)

// openLog sends messages where log= says: by default to standard error in
// front, and to the system's log in the background.
func openLog(o *mountOptions, behind bool) (closeLog func(), err error) {
	closeLog = func() {}
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	switch {
	case o.log == "journal" || o.log == "" && behind:
		hook, err := logsyslog.NewSyslogHook("", "", syslog.LOG_DAEMON|syslog.LOG_INFO, "ipnfs")
		switch {
		case err == nil:
			logrus.AddHook(hook)
			logrus.SetOutput(io.Discard)
		case o.log == "journal":
			return nil, fmt.Errorf("no journal or syslog listens: %w", err)
		default:
			logrus.SetOutput(io.Discard)
		}
	case o.log != "":
		file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY|unix.O_NOCTTY, 0o640)
		if err != nil {
			return nil, err
		}
		logrus.SetOutput(file)
		_ = debug.SetCrashOutput(file, debug.CrashOptions{}) // in the background nobody sees it else
		closeLog = func() { file.Close() }
	}
	return closeLog, nil
}
