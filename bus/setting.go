package bus

import (
	"cmp"
	"unicode"
	"unicode/utf8"

	"ipnfs/words"
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
	i, err := words.OneOf("overflow", s, overflowNames[:]...)
	return Overflow(i), err
}

// LinkTypes are what a network may say its frames are, for captures.
var LinkTypes = []string{"ethernet", "raw", "user0"}

// Limits of the settings; MTU's are in frame.go.
const (
	DefaultQueue = 256
	MaxQueue     = 65536
	DefaultPorts = 1024
	MaxPorts     = 65536
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
	return Settings{MTU: DefaultMTU, Queue: DefaultQueue, MaxPorts: DefaultPorts, Persist: true, LinkType: LinkTypes[0]}
}

// CheckRange returns a Range error unless lo <= v <= hi.
func CheckRange(what string, v, lo, hi int) error { return words.Check(what, v, lo, hi) }

func (s *Settings) check() error {
	_, err := words.OneOf("linktype", s.LinkType, LinkTypes...)
	return cmp.Or(words.Check("mtu", s.MTU, MinMTU, MaxFrame), words.Check("queue", s.Queue, 1, MaxQueue),
		words.Check("maxports", s.MaxPorts, 1, MaxPorts), err)
}

// CheckName tells whether name may name a network: 1 to MaxName bytes of
// UTF-8, no leading dot, no white space, control characters or slash.
func CheckName(name string) error {
	if len(name) > MaxName {
		return Errorf(NameTooLong, "network name of %d bytes: at most %d", len(name), MaxName)
	}
	if name == "" || name[0] == '.' {
		return Errorf(Invalid, "network name %q: must not be empty or begin with a dot", name)
	}
	if !utf8.ValidString(name) {
		return Errorf(Invalid, "network name %q: must be UTF-8", name)
	}
	for _, r := range name {
		if r == '/' || unicode.IsControl(r) || isSpace(r) {
			return Errorf(Invalid, "network name %q: no white space, control bytes or slash", name)
		}
	}
	return nil
}
