package bustest

import (
	"errors"
	"fmt"

	"ipnfs/bus"
)

// talker is somebody on a network who sends, and whose ears are known.
type talker struct {
	conn  *bus.Conn
	id    int             // as the sender in marks
	heard func() [][]byte // what came so far; nil: it cannot receive
	self  []int           // the senders at its own port
}

// company makes a network of one of each kind: a recorder, a queue, a reader
// that waits, two who share a port, one who only sends, one who only receives.
func (s *suite) company(l *Lab) ([]*talker, error) {
	var all []*talker
	var failed error
	add := func(ep bus.Endpoint, heard func() [][]byte, o bus.JoinOptions) *talker {
		c, err := l.join(ep, o)
		if err != nil {
			failed = errors.Join(failed, err)
			return &talker{}
		}
		t := &talker{conn: c, id: len(all) + 1, heard: heard}
		t.self = []int{t.id}
		all = append(all, t)
		return t
	}
	recorder := func(o bus.JoinOptions) *talker {
		r := &Recorder{}
		return add(r, r.Frames, o)
	}
	recorder(both)
	sink, read := &Sink{}, [][]byte(nil)
	add(sink, func() [][]byte { read = append(read, sink.TakeAll()...); return read }, both)
	puller := &Puller{}
	puller.Pull(1 << 30)
	add(puller, puller.Frames, both)
	if _, err := l.Net.Reserve(4); err != nil {
		return nil, err
	}
	shared := both
	shared.Number = 4
	one, two := recorder(shared), recorder(shared)
	one.self = append(one.self, two.id)
	two.self = append(two.self, one.id)
	recorder(bus.JoinOptions{Recv: true})
	add(&Sink{}, nil, bus.JoinOptions{Send: true})
	return all, failed
}

// talk lets each of all send, alone and in batches, beginning with frame seq,
// and returns how many frames went.
func (s *suite) talk(all []*talker, seq int) (sent uint64) {
	for _, t := range all {
		if !t.conn.CanSend() {
			continue
		}
		at := seq
		next := func(padding int) []byte {
			at++
			return s.frame(t.id, at, padding)
		}
		for _, padding := range []int{0, 1, 46, 1486, 9000} {
			if Send(t.conn, next(padding)) {
				sent++
			}
			sent += uint64(SendBatch(t.conn, next(0), next(padding), next(300)))
		}
		many := make([][]byte, 100)
		for i := range many {
			many[i] = next(i)
		}
		sent += uint64(SendBatch(t.conn, many...))
	}
	return sent
}

// perTalk is more than the frames that talk sends for one talker.
const perTalk = 1000

// checkHeard checks what each of all has received, and returns how much that
// was.
func checkHeard(all []*talker) (received uint64, err error) {
	for _, t := range all {
		if t.heard == nil {
			continue
		}
		frames := t.heard()
		received += uint64(len(frames))
		if e := CheckOrder(frames, t.self...); e != nil {
			err = errors.Join(err, fmt.Errorf("receiver %d: %w", t.id, e))
		}
	}
	return received, err
}

func (s *suite) checkDelivery() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	if err := l.Net.Change(func(set *bus.Settings) { set.Queue = bus.MaxQueue }); err != nil {
		return err
	}
	all, err := s.company(l)
	if err != nil {
		return errors.Join(err, l.close())
	}
	sent := uint64(0)
	for round := range 3 {
		sent += s.talk(all, round*perTalk)
	}
	received, err := checkHeard(all)
	stats := l.Net.Stats()
	switch {
	case err != nil:
	case received == 0:
		err = errors.New("no frame reached anybody: give the suite a Header whose frames the policy sends on")
	case stats.Received != received:
		err = fmt.Errorf("%d frames were received, but the network counted %d", received, stats.Received)
	case stats.Frames != sent:
		err = fmt.Errorf("%d frames were sent, but the network counted %d", sent, stats.Frames)
	}
	return errors.Join(err, CheckBalance(stats), l.close())
}

// checkAccounts lets queues overflow in every way.
func (s *suite) checkAccounts() error {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender, bus.Disconnect} {
		l, err := newLab(s.spec)
		if err != nil {
			return err
		}
		all, err := s.company(l)
		if err == nil {
			err = l.Net.Change(func(set *bus.Settings) { set.Queue, set.Overflow = 3, overflow })
		}
		sent := uint64(0)
		for round := 0; round < 3 && err == nil; round++ {
			sent += s.talk(all, round*perTalk)
			err = CheckBalance(l.Net.Stats())
			if _, heardErr := checkHeard(all); heardErr != nil {
				err = errors.Join(err, heardErr)
			}
		}
		if stats := l.Net.Stats(); err == nil && stats.Frames != sent {
			err = fmt.Errorf("%d frames were accepted, but the network counted %d", sent, stats.Frames)
		}
		if err = errors.Join(err, l.close()); err != nil {
			return fmt.Errorf("overflow %v: %w", overflow, err)
		}
	}
	return nil
}
