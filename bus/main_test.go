package bus_test

import (
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directed is the policy of most tests: a frame goes to the port that its
// first byte names, 255 is all, 0 nobody.
const directed = bustest.FakeName

// hub is a policy by which all frames go to all.
const hub = "test-hub"

type hubPolicy struct{}

func (hubPolicy) Name() string { return hub }

func (hubPolicy) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }

func init() {
	policy.Register(policy.Type{Name: hub, New: func(map[string]string) (policy.Policy, error) { return hubPolicy{}, nil }})
}

// toAll is what a frame to all begins with.
const toAll = "\xff"

var both = bus.JoinOptions{Recv: true, Send: true}

// wantKind checks that err is a refusal of that kind with a reason, or no
// error if kind is 0.
func wantKind(t *testing.T, what string, err error, kind fail.Kind) {
	t.Helper()
	switch {
	case kind == 0 && err != nil:
		t.Errorf("%s: %v", what, err)
	case kind != 0 && fail.KindOf(err) != kind:
		t.Errorf("%s: error %v of kind %d, want kind %d", what, err, fail.KindOf(err), kind)
	case kind != 0 && err.Error() == "":
		t.Errorf("%s: no reason is given", what)
	}
}

// set changes the settings of a lab's network.
func set(t *testing.T, l *bustest.Lab, change func(*bus.Settings)) {
	t.Helper()
	if err := l.Net.Change(change); err != nil {
		t.Fatal(err)
	}
}
