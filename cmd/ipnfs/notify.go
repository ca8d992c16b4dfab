package main

import (
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// notify tells the service manager that started this process how far it is, if
// there is one (sd_notify(3)). In the background there is none: whoever mounts
// may itself be a service, and has its socket in the environment.
func notify(behind bool, state string) {
	if behind {
		return
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		logrus.WithError(err).Warn("the service manager cannot be told")
	}
}
