package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// netSwitch is a candidate of the parts switch and middle.
type netSwitch struct {
	name  string
	needs []string // programs without which it is absent
	start func(*session, *lan) error
}

// switches are the candidates; ratios are to the first.
var switches = []netSwitch{
	{"bridge", nil, (*session).startBridge},
	{"vde", []string{"vde_switch"}, (*session).startVDE},
	{"ovs-tap-tso", []string{"ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl"}, (*session).startOVS},
	{"ipnfs-grab", nil, (*session).startGrab},
	{"ipnfs-veth", nil, veths()},
	{"ipnfs", nil, (*session).startIPNFS},
}

// candidateNames is what -only takes.
func candidateNames() []string {
	all := []string{"C", "go-fuse", "relay"}
	for _, s := range slices.Concat(switches, middles, fastSwitches(0), vlanSwitches, mirrorSwitches, thousands) {
		if !slices.Contains(all, s.name) {
			all = append(all, s.name)
		}
	}
	return all
}

// absent is the first program that a candidate lacks.
func (s *netSwitch) absent() string {
	for _, program := range s.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// serve starts a program of the switch in its namespace.
func (b *session) serve(l *lan, serves func() bool, args ...string) error {
	d, err := b.launch(l.name, "", serves, within(l.space, args...)...)
	if err == nil {
		l.daemons = append(l.daemons, d)
	}
	return err
}

// startBridge: the kernel's bridge, and veth pairs.
func (b *session) startBridge(l *lan) error {
	if err := b.ip("-n "+l.space+" link add br0 type bridge", "-n "+l.space+" link set br0 up"); err != nil {
		return err
	}
	for i := range l.hosts {
		port, peer := fmt.Sprint("port", i), fmt.Sprint("peer", i)
		err := b.ip("-n "+l.space+" link add "+port+" type veth peer name "+peer,
			"-n "+l.space+" link set "+port+" master br0 up")
		if err != nil {
			return err
		}
		if err := b.plug(l, i, peer); err != nil {
			return err
		}
	}
	return nil
}

// startVDE: vde_switch with taps of its own.
func (b *session) startVDE(l *lan) error {
	dir, err := os.MkdirTemp(b.dir, "vde-")
	if err != nil {
		return err
	}
	args := []string{"vde_switch", "-s", dir + "/ctl"}
	for i := range l.hosts {
		args = append(args, "-t", fmt.Sprint("tap", i))
	}
	if err := b.serve(l, exists(dir+"/ctl/ctl"), args...); err != nil {
		return err
	}
	for i := range l.hosts {
		if err := b.plug(l, i, fmt.Sprint("tap", i)); err != nil {
			return err
		}
	}
	return nil
}

// startOVS: Open vSwitch's datapath in user space on taps with virtio-net headers, with a database of
// its own.
func (b *session) startOVS(l *lan) error {
	dir, err := os.MkdirTemp(b.dir, "ovs-")
	if err != nil {
		return err
	}
	const schema = "/usr/share/openvswitch/vswitch.ovsschema"
	if _, err := b.run("ovsdb-tool", "create", dir+"/db", schema); err != nil {
		return err
	}
	vsctl := func(args ...string) error {
		_, err := b.run(append([]string{"ovs-vsctl", "--db=unix:" + dir + "/socket", "--timeout=10"}, args...)...)
		return err
	}
	quiet := []string{"-vconsole:err", "-vsyslog:off"}
	server := append([]string{"ovsdb-server", dir + "/db", "--remote=punix:" + dir + "/socket", "--unixctl=" + dir + "/ctl1"}, quiet...)
	if err := b.serve(l, exists(dir+"/socket"), server...); err != nil {
		return err
	}
	if err := vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true"); err != nil {
		return err
	}
	daemon := append([]string{"env", "OVS_RUNDIR=" + dir, "ovs-vswitchd", "unix:" + dir + "/socket", "--unixctl=" + dir + "/ctl2"}, quiet...)
	if err := b.serve(l, exists(dir+"/ctl2"), daemon...); err != nil {
		return err
	}
	if err := vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"); err != nil {
		return err
	}
	for i := range l.hosts {
		tap := fmt.Sprint("tap", i)
		if err := vsctl("add-port", "br0", tap, "--", "set", "interface", tap, "type=tap"); err != nil {
			return err
		}
		if err := b.plug(l, i, tap); err != nil {
			return err
		}
	}
	return nil
}

// startNetwork starts ipnfs with a network whose policy is switch.
func (b *session) startNetwork(l *lan) error {
	program := "ipnfs"
	if l.name == "before" {
		program = l.name
	}
	d, err := b.start(program, false)
	if err != nil {
		return err
	}
	l.daemons = append(l.daemons, d)
	l.doors = filepath.Join(d.dir, "lan")
	return write(l.doors, "policy", "switch")
}

// startGrab: a network with policy switch that grabs the other ends of the hosts' veth pairs.
func (b *session) startGrab(l *lan) error {
	if err := b.startNetwork(l); err != nil {
		return err
	}
	for i := range l.hosts {
		port, peer := fmt.Sprint("port", i), fmt.Sprint("peer", i)
		err := b.ip("-n "+l.space+" link add "+port+" type veth peer name "+peer, "-n "+l.space+" link set "+port+" up")
		if err == nil {
			err = write(l.doors, "grab", port+" netns="+l.space)
		}
		if err == nil {
			err = b.plug(l, i, peer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startIPNFS: a network with policy switch and a tap in each host.
func (b *session) startIPNFS(l *lan) error { return b.startDevices(l, "tap") }

// startDevices: a network with policy switch and a device in each host by a file of that name, tap
// or veth. The first host is at port 1.
func (b *session) startDevices(l *lan, file string) error {
	if err := b.startNetwork(l); err != nil {
		return err
	}
	if !exists(filepath.Join(l.doors, file))() {
		return fmt.Errorf("no file %s: %w", file, errors.ErrUnsupported)
	}
	for _, h := range l.hosts {
		if err := write(l.doors, file, "eth0 netns="+h.netns+" addr="+h.addr+"/24 up"); err != nil {
			return err
		}
	}
	return nil
}

// write gives a control file of a network one command.
func write(network, file, command string) error {
	if err := os.WriteFile(filepath.Join(network, file), []byte(command+"\n"), 0o644); err != nil {
		reason, _ := os.ReadFile(filepath.Join(network, "errors"))
		return fmt.Errorf("%s > %s: %w: %s", command, file, err, strings.TrimSpace(string(reason)))
	}
	return nil
}
