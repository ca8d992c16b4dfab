package iface_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/link"
	"ipnfs/iface/nstest"
)

const (
	user, group, supplementary = 1234, 2345, 3456
	another                    = 4321
)

func userIn(t *testing.T, l *lab, uid uint32) bus.Caller {
	t.Helper()
	return process(t, l.ns, &syscall.Credential{Uid: uid, Gid: group, Groups: []uint32{supplementary}})
}

// A user who is not root may attach a tap that exists and is his, in his own
// namespace, as it is. All else is refused and changes nothing.
func TestRights(t *testing.T) {
	l := newLab(t)
	u := userIn(t, l, user)
	otherName, other := nstest.New(t)

	// Made now, so that a name tells all: lnkKIND.
	for name, o := range map[string]nstest.Tun{
		"lnkmine":    {Owner: user},
		"lnkmulti":   {Owner: user, Flags: unix.IFF_MULTI_QUEUE},
		"lnkgroup":   {Group: group},
		"lnkgroups":  {Group: supplementary},
		"lnkboth":    {Owner: user, Group: group},
		"lnknobody":  {},
		"lnkanother": {Owner: another},
		"lnkwheel":   {Group: 1},
		"lnkhalf":    {Owner: user, Group: 1},
		"lnkhalf2":   {Owner: another, Group: group},
		"lnkbusy":    {Owner: user},
		"lnkbusy2":   {Owner: user, Flags: unix.IFF_MULTI_QUEUE},
	} {
		nstest.Tap(t, l.ns, name, o)
	}
	nstest.Tap(t, other, "lnkelsewhere", nstest.Tun{Owner: user})
	veth, _ := nstest.Veth(t, l.ns)
	hold(t, l.ns, "lnkbusy")
	hold(t, l.ns, "lnkbusy2")
	before := facts(t, l.ns, "lnkmine")

	for command, kind := range map[string]fail.Kind{
		"lnknobody":                       fail.Denied,
		"lnkanother":                      fail.Denied,
		"lnkwheel":                        fail.Denied,
		"lnkhalf":                         fail.Denied,
		"lnkhalf2":                        fail.Denied,
		"lnkbusy":                         fail.Busy,
		"lnkbusy2":                        fail.Busy,
		"lnknew":                          fail.Denied,
		"lnkelsewhere":                    fail.Denied,
		"lnkelsewhere netns=" + otherName: fail.Denied,
		"lnkmine netns=" + l.host:         fail.Denied,
		"lnkmine netns=/etc/shadow":       fail.Denied,
		"lnkmine netns=1":                 fail.Denied,
		"lnkmine up":                      fail.Denied,
		"lnkmine mtu=1400":                fail.Denied,
		"lnkmine mac=02:00:00:00:00:01":   fail.Denied,
		"lnkmine addr=10.0.0.1/24":        fail.Denied,
		"lnkmine owner=1234":              fail.Denied,
		"lnkmine group=1234":              fail.Denied,
		"lnkmine persist":                 fail.Denied,
		"lnkmulti queues=2":               fail.Denied,
		"lo":                              fail.Denied,
		veth:                              fail.Denied,
	} {
		l.want(kind, u, "tap", command)
	}
	for _, command := range []string{veth, veth + " copy", "lnkmine", "lnknone", "lo netns=/etc/shadow"} {
		l.want(fail.Denied, u, "grab", command)
	}
	for _, command := range []string{"lnknew", veth, "lnkmine", "lnknew netns=/etc/shadow"} {
		l.want(fail.Denied, u, "veth", command)
	}
	l.want(fail.Denied, outside(u), "tap", "lnkmine")
	if got := facts(t, l.ns, "lnkmine"); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("refusals left %+v of %+v", got, before)
	}
	if _, err := link.Get(l.ns, "lnknew"); err == nil {
		t.Error("a refusal left a device")
	}
	if len(l.Net.Ports()) != 0 {
		t.Errorf("refusals left ports %v", l.Net.Ports())
	}

	for _, name := range []string{"lnkmine", "lnkmulti", "lnkgroup", "lnkgroups", "lnkboth"} {
		l.want(0, u, "tap", name)
		l.wantList("tap", name, "persist")
		if err := detach(l.Net, userIn(t, l, another), "tap", name); fail.KindOf(err) != fail.Denied {
			t.Errorf("%s: another user could detach it: %v", name, err)
		}
		if err := detach(l.Net, u, "tap", name); err != nil {
			t.Errorf("%s: its user could not detach it: %v", name, err)
		}
	}
	l.want(0, u, "tap", "lnkmine")
	l.detach("tap", "lnkmine") // root may
	l.attach("tap", "lnkmine")
	if err := detach(l.Net, u, "tap", "lnkmine"); fail.KindOf(err) != fail.Denied {
		t.Errorf("a user could detach what root attached: %v", err)
	}
	wantRoot(t)
}

// wantRoot checks that no thread of the process kept a user's credentials.
func wantRoot(t *testing.T) {
	t.Helper()
	var odd string
	defer func() {
		if t.Failed() {
			t.Log(odd)
		}
	}()
	nstest.Wait(t, "all threads to be root's", func() bool {
		odd = ""
		tasks, _ := filepath.Glob("/proc/self/task/*/status")
		for _, task := range tasks {
			status, err := os.ReadFile(task)
			if err == nil && !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") {
				odd = string(status)
			}
		}
		return odd == ""
	})
}

// uid 0 alone is not root: it depends on the capabilities that it has.
func TestRightsOfUIDZero(t *testing.T) {
	l := newLab(t)
	_, other := nstest.New(t)
	otherPID := process(t, other, nil).PID
	nstest.Tap(t, l.ns, "lnktap", nstest.Tun{})
	nstest.Tap(t, l.ns, "lnkroot", nstest.Tun{Owner: 1}) // so that an owner is set
	veth, _ := nstest.Veth(t, l.ns)
	const wait = "echo; read line"

	powerless := start(t, l.ns, &syscall.SysProcAttr{}, "setpriv", "--bounding-set=-net_admin", "sh", "-c", wait)
	mapped := start(t, l.ns, &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	}, "sh", "-c", wait)
	for who, by := range map[string]bus.Caller{"without CAP_NET_ADMIN": powerless, "in another user namespace": mapped} {
		t.Log(who)
		for _, command := range []string{"lnknew", "lnktap", "lnkroot", "lnktap up", "lnktap netns=" + l.host} {
			l.want(fail.Denied, by, "tap", command)
		}
		l.want(fail.Denied, by, "grab", veth)
	}

	// Without CAP_SYS_ADMIN he could not enter another namespace himself.
	confined := start(t, l.ns, &syscall.SysProcAttr{}, "setpriv", "--bounding-set=-sys_admin", "sh", "-c", wait)
	l.want(fail.Denied, confined, "tap", fmt.Sprintf("lnknew netns=%d", otherPID))
	l.want(0, confined, "tap", "lnknew netns="+l.host)
	l.want(0, confined, "tap", "lnknew2")

	// Outside our pid namespace uid 0 may be a container's, without capabilities.
	for _, command := range []string{"lnknew", "lnktap", "lnknew netns=" + l.host, "lnktap up"} {
		l.want(fail.Denied, outside(l.root), "tap", command)
	}
	l.want(fail.Denied, outside(l.root), "grab", veth)
	l.want(fail.Denied, outside(l.root), "grab", veth+" netns="+l.host)

	ended := creds.Of(1<<30, 0, 0)
	if err := attach(l.Net, ended, "tap", "lnknew3"); err == nil {
		t.Error("a caller who is not there attached a tap")
	}
}

// Whoever owns a user namespace, and so has all rights in the network
// namespaces of it, still makes nothing through us, and gets what is his.
func TestRightsInUserNamespace(t *testing.T) {
	l := newLab(t)
	by := start(t, l.ns, &syscall.SysProcAttr{}, "setpriv", "--reuid=1234", "--regid=2345", "--clear-groups",
		"unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo; read line")
	by = creds.Of(by.PID, user, group)
	ns := namespaceOf(t, by)
	if ns.ID() == l.ns.ID() {
		t.Fatal("it has no namespace of its own")
	}
	nstest.Tap(t, ns, "lnkmine", nstest.Tun{Owner: user})
	nstest.Tap(t, ns, "lnknobody", nstest.Tun{})
	l.want(fail.Denied, by, "tap", "lnknew")
	l.want(fail.Denied, by, "tap", "lnknobody")
	l.want(fail.Denied, by, "tap", "lnkmine up")
	l.want(0, by, "tap", "lnkmine")
	if _, err := link.Get(ns, "lnknew"); err == nil {
		t.Error("a refusal left a device")
	}
	wantRoot(t)
}
