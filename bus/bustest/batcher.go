package bustest

import (
	"slices"
	"sync"
	"sync/atomic"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// FakeBatcherName is the name under which FakeBatcher is registered.
const FakeBatcherName = "fake-batcher"

func init() {
	policy.Register(policy.Type{
		Name:    FakeBatcherName,
		Summary: "for tests: fake, asked for many frames at once",
		New:     func(args map[string]string) (policy.Policy, error) { return NewFakeBatcher(args) },
	})
}

// FakeBatcher is a Fake that answers for many frames at once. It counts them by
// lane, without a lock.
type FakeBatcher struct {
	*Fake
	most atomic.Int64 // frames for which it has time in a call; 0: all

	mu    sync.Mutex
	lanes []*lane
	asked []int // how many frames in each call of ForwardBatch
}

var _ policy.Batcher = (*FakeBatcher)(nil)

// lane is what is kept of one thread.
type lane struct{ frames int }

// NewFakeBatcher makes one. It takes no arguments.
func NewFakeBatcher(args map[string]string) (*FakeBatcher, error) {
	for key := range args {
		return nil, fail.Errorf(fail.Invalid, "policy %s takes no arguments, got %q", FakeBatcherName, key)
	}
	f, err := NewFake(nil)
	return &FakeBatcher{Fake: f, asked: make([]int, 0, 1000)}, err
}

// Name is FakeBatcherName.
func (*FakeBatcher) Name() string { return FakeBatcherName }

// Limit says for how many frames a call has time; 0: for all.
func (f *FakeBatcher) Limit(frames int) { f.most.Store(int64(frames)) }

// Forward is the Fake's, and counts.
func (f *FakeBatcher) Forward(in policy.Port, one *frame.Frame, out *policy.Egress) {
	f.lane(out.Lane()).frames++
	f.Fake.Forward(in, one, out)
}

// ForwardBatch answers as Forward does, for as many as it has time.
func (f *FakeBatcher) ForwardBatch(l *policy.Lane, in policy.Port, frames []frame.Frame, out []policy.Egress) (done int) {
	done = len(frames)
	if most := int(f.most.Load()); most != 0 {
		done = min(done, most)
	}
	for i := range frames[:done] {
		f.Fake.Forward(in, &frames[i], &out[i])
	}
	f.lane(l).frames += done
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) < cap(f.asked) { // no test asks for more
		f.asked = append(f.asked, len(frames))
	}
	return done
}

func (f *FakeBatcher) lane(l *policy.Lane) *lane {
	if kept, ok := l.State(f).(*lane); ok {
		return kept
	}
	kept := &lane{}
	l.SetState(f, kept)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lanes = append(f.lanes, kept)
	return kept
}

// Lanes returns how many frames each thread has asked for. No frame may be under
// way.
func (f *FakeBatcher) Lanes() (frames []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lanes {
		frames = append(frames, l.frames)
	}
	return frames
}

// Asked returns for how many frames each call of ForwardBatch since the last
// Asked was.
func (f *FakeBatcher) Asked() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := slices.Clone(f.asked)
	f.asked = f.asked[:0]
	return asked
}
