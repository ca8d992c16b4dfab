package stream

import (
	"errors"
	"math"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// maxLength is the longest frame in bytes that is skipped for being over the mtu. What
// announces a longer one is no such stream.
const maxLength = 1 << 20

// errGarbage ends a connection.
var errGarbage = errors.New("it announced a frame of more than 1 MiB: that is no stream of frames behind 4-byte lengths")

// Parser takes frames out of a stream whose bytes somebody else brings, in pieces of any
// length. It keeps no bytes.
type Parser struct {
	// Form, Net and Mute are Config's.
	Form frame.Form
	Net  *bus.Network
	Mute bool

	skip    int // bytes still to come of a frame that was given up
	typical int // eighths of the bytes that a frame takes, as the last ones did
}

// Parse adds the whole frames at the beginning of span, which is lent, to t.Batch, room
// of them at most. It returns how many it took, those included that it gave up, and how
// many bytes of span it is done with. What follows is a frame for which there was no
// room, or less than a frame (Missing): it is to come again, with more behind. An error
// ends the stream; frames is right then, too.
func (p *Parser) Parse(t *lane.Turn, span []byte, room int) (frames, used int, err error) {
	return p.parse(t, span, room, nil, 0)
}

// ParseBlock is Parse for span that lies in a block, at behind the first of its Bytes:
// the frames get references of it, so that who keeps one copies nothing.
func (p *Parser) ParseBlock(t *lane.Turn, from *frame.Block, at int, span []byte, room int) (frames, used int, err error) {
	return p.parse(t, span, room, from, at)
}

// parse is Parse for what is lent, or lies in the block from, at behind the first of its
// Bytes.
func (p *Parser) parse(t *lane.Turn, span []byte, room int, from *frame.Block, at int) (frames, used int, err error) {
	mtu := p.Net.MTU()
	for {
		n := min(p.skip, len(span)-used)
		p.skip -= n
		used += n
		rest := span[used:]
		size := p.Size(rest)
		if size == 0 {
			return frames, used, nil
		}
		length := size - p.Form.HeadLen()
		whole := len(rest) >= size
		switch {
		case length > maxLength:
			p.skip = math.MaxInt // until it has ended
			return frames, used, errGarbage
		case length == 0:
			p.skip = size
			continue
		case p.Mute:
			t.Drop(frame.DropFiltered, length)
		case length > mtu:
			t.Refused()
		case p.Form == frame.Hops4 && rest[0] > frame.MaxHops:
			t.Drop(frame.DropLoop, length)
		case !whole || frames >= room:
			return frames, used, nil
		case from == nil:
			t.Batch.AddIn(p.Form, rest[:size])
			p.expect(size)
		default:
			t.Batch.Add(from.Frame(p.Form, at+used, length))
			p.expect(size)
		}
		frames++
		p.skip = size
	}
}

// Size returns how many bytes the frame takes, with its head, that rest begins with; 0:
// rest is less than a head. rest is what Parse has left.
func (p *Parser) Size(rest []byte) int {
	head := p.Form.HeadLen()
	if len(rest) < head {
		return 0
	}
	return head + int(p.Form.Length(rest))
}

// GiveUp counts the frame that rest begins with as lost for want of memory, and has
// Parse skip it. rest is what Parse has left, a head at least.
func (p *Parser) GiveUp(t *lane.Turn, rest []byte) {
	p.skip = p.Size(rest)
	t.NoMemory(p.skip - p.Form.HeadLen())
}

// expect notes how many bytes a frame took.
func (p *Parser) expect(bytes int) { p.typical += bytes - p.typical/8 }
