package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// names are those of needed in capabilities(7).
var names = map[int]string{
	unix.CAP_SYS_ADMIN:        "CAP_SYS_ADMIN",
	unix.CAP_NET_ADMIN:        "CAP_NET_ADMIN",
	unix.CAP_NET_RAW:          "CAP_NET_RAW",
	unix.CAP_NET_BROADCAST:    "CAP_NET_BROADCAST",
	unix.CAP_SYS_PTRACE:       "CAP_SYS_PTRACE",
	unix.CAP_DAC_READ_SEARCH:  "CAP_DAC_READ_SEARCH",
	unix.CAP_SETUID:           "CAP_SETUID",
	unix.CAP_SETGID:           "CAP_SETGID",
	unix.CAP_KILL:             "CAP_KILL",
	unix.CAP_NET_BIND_SERVICE: "CAP_NET_BIND_SERVICE",
	unix.CAP_SYS_CHROOT:       "CAP_SYS_CHROOT",
}

// The unit of systemd names first the capabilities that a mount keeps, and has no
// word that makes a mount namespace (systemd.exec(5)): the mount would be seen
// by the daemon alone.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("systemd/ipnfs@.service")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, capability := range needed {
		want = append(want, names[capability])
	}
	var got []string
	makesNamespace := regexp.MustCompile(`^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|NoExec|Exec.*Paths|Bind|TemporaryFileSystem|Mount|Root|ProcSubset|DynamicUser|.*Directory=)`)
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok && got == nil {
			got = strings.Fields(list)
		}
		if makesNamespace.MatchString(line) {
			t.Errorf("%q makes a mount namespace", line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the unit has %v, the program keeps %v", got, want)
	}
}
