package bustest

import (
	"strings"
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// TestPolicy checks what every policy must do, on networks of its own:
//
//   - it answers to its name and refuses arguments that it does not know;
//   - no frame returns to its sender, nor to others at the sender's port;
//   - from one sender to one receiver order is kept, nothing comes twice, and
//     all bytes are what they were;
//   - every copy of a frame is received, waits, or is counted as a drop;
//   - Forward allocates nothing, and so does Send to receivers that wait and
//     to queues;
//   - it starts no goroutine, and survives senders, joins, leaves and
//     settings at once (run it with -race);
//   - it hears of ports before their first frame and after their last, and
//     sends nothing to a port that has left;
//   - ticks come at any time, also twice or back in time;
//   - tables and knobs, those of ports included, are the same ones at each
//     call and have names that can be file names; a knob takes what it gives,
//     and what is refused changes nothing;
//   - it can be replaced on a live network, and loses no frame by that.
//
// The policy must be registered under name. Its frames are by default
// Ethernet broadcasts; see Header.
func TestPolicy(t *testing.T, name string, options ...Option) {
	t.Helper()
	s := newSuite(name, options...)
	for _, c := range policyChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(s); err != nil {
				t.Error(err)
			}
		})
	}
}

// Option changes how TestPolicy runs.
type Option func(*suite)

// Args are what stands behind the policy's name: key=value...
func Args(args string) Option { return func(s *suite) { s.spec += " " + args } }

// Header makes what the suite's frames begin with, by sender (1 and up). It
// must be such that the policy sends them to some other port. Frames go on
// with bytes of any value and number.
func Header(header func(sender int) []byte) Option { return func(s *suite) { s.header = header } }

// suite is what the checks know of the policy.
type suite struct {
	spec   string
	header func(sender int) []byte
}

func newSuite(name string, options ...Option) *suite {
	s := &suite{spec: name, header: EthernetHeader}
	for _, o := range options {
		o(s)
	}
	return s
}

func (s *suite) name() string { return strings.Fields(s.spec)[0] }

func (s *suite) frame(sender, seq, padding int) []byte {
	return Mark(s.header(sender), sender, seq, padding)
}

// policyCheck is one part of the suite.
type policyCheck struct {
	name string
	run  func(*suite) error
}

var policyChecks = []policyCheck{
	{"identity", (*suite).checkIdentity},
	{"delivery", (*suite).checkDelivery},
	{"accounts", (*suite).checkAccounts},
	{"forward allocates nothing", (*suite).checkForwardAllocations},
	{"send allocates nothing", (*suite).checkSendAllocations},
	{"goroutines", (*suite).checkGoroutines},
	{"joins and leaves", (*suite).checkJoins},
	{"ticks", (*suite).checkTicks},
	{"tables and knobs", (*suite).checkValues},
	{"concurrency", (*suite).checkConcurrency},
	{"live switch", (*suite).checkSwitch},
}

// hubName is a policy of this package that sends everything to everybody: the
// other one in a switch, and what endpoints are tested on.
const hubName = "bustest-hub"

type hub struct{}

var _ policy.Policy = hub{}

func (hub) Name() string                                              { return hubName }
func (hub) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }

func init() {
	policy.Register(policy.Type{
		Name:    hubName,
		Summary: "for tests: each frame goes to every other port",
		New:     func(map[string]string) (policy.Policy, error) { return hub{}, nil },
	})
}
