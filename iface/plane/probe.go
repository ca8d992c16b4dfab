package plane

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

// probe makes a port for a host of its own, and closes it. So what
// NewPort is refused later has to do with the host.
func (p *Plane) probe() error {
	host, err := netns.New()
	if err != nil {
		return err
	}
	defer host.Close()
	port, err := p.NewPort(host, "probe")
	if err != nil {
		return err
	}
	port.Close()
	return nil
}

// explain makes an error of Load a refusal: it tells what is missing.
func explain(err error) error {
	switch {
	case fail.KindOf(err) != 0:
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fail.Errorf(fail.Denied, "ipnfs may not load programs or make interfaces here, which takes CAP_SYS_ADMIN and CAP_NET_ADMIN: %v", err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return fail.Errorf(fail.Unsupported, "this kernel lacks veth, the ingress qdisc, its bpf filters or what these call (CONFIG_VETH, NET_SCH_INGRESS, NET_CLS_BPF): %v", err)
	}
	return fail.Errorf(fail.Unsupported, "%v", err)
}
