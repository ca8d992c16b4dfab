package bus

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Overflow says what a frame for a receiver whose queue is full means.
type Overflow uint8

// The overflow settings.
const (
	DropNew     Overflow = iota // the new frame is lost (IPN's lossy network)
	DropOld                     // the oldest queued frame is lost
	BlockSender                 // the sender waits (IPN's lossless network)
	Disconnect                  // the receiver leaves the network
)

var overflowNames = [...]string{"drop-new", "drop-old", "block", "disconnect"}

func (o Overflow) String() string { return overflowNames[o] }

// ParseOverflow is the inverse of String.
func ParseOverflow(s string) (Overflow, error) {
	for i, name := range overflowNames {
		if s == name {
			return Overflow(i), nil
		}
	}
	return 0, fail.Errorf(fail.Invalid, "unknown overflow %q: one of %s", s, strings.Join(overflowNames[:], ", "))
}

// LinkTypes are what a network may say its frames are, for captures.
var LinkTypes = []string{"ethernet", "raw", "user0"}

// Limits of the settings; MTU's are in package frame.
const (
	DefaultQueue = 256
	MaxQueue     = 65536
	DefaultPorts = 1024
	MaxName      = 64 // bytes in the name of a network
	MaxPortName  = 128
)

// Settings are what a network can be told, as one value. Queue counts frames
// per receiver, MTU bytes.
type Settings struct {
	MTU      int
	Queue    int
	Overflow Overflow
	MaxPorts int
	Persist  bool
	LinkType string
}

// DefaultSettings are those of a new network.
func DefaultSettings() Settings {
	return Settings{MTU: frame.DefaultMTU, Queue: DefaultQueue, MaxPorts: DefaultPorts, Persist: true, LinkType: LinkTypes[0]}
}

func (s *Settings) check() error {
	if err := fail.CheckRange("mtu", s.MTU, frame.MinMTU, frame.MaxFrame); err != nil {
		return err
	}
	if err := fail.CheckRange("queue", s.Queue, 1, MaxQueue); err != nil {
		return err
	}
	if err := fail.CheckRange("maxports", s.MaxPorts, 1, policy.MaxPorts); err != nil {
		return err
	}
	for _, t := range LinkTypes {
		if s.LinkType == t {
			return nil
		}
	}
	return fail.Errorf(fail.Invalid, "unknown linktype %q: one of %s", s.LinkType, strings.Join(LinkTypes, ", "))
}

// CheckName tells whether name may name a network: 1 to MaxName bytes of
// UTF-8, no leading dot, no white space, control characters or slash.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fail.Errorf(fail.NameTooLong, "network name of %d bytes: at most %d", len(name), MaxName)
	}
	if name == "" || name[0] == '.' {
		return fail.Errorf(fail.Invalid, "network name %q: must not be empty or begin with a dot", name)
	}
	if !utf8.ValidString(name) {
		return fail.Errorf(fail.Invalid, "network name %q: must be UTF-8", name)
	}
	for _, r := range name {
		if r == '/' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return fail.Errorf(fail.Invalid, "network name %q: no white space, control bytes or slash", name)
		}
	}
	return nil
}
