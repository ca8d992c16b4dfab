package lane

import (
	"runtime"
	"sync"
)

// lanes are those that run: as many as there are sources for, up to half of
// what may run at once, since what the frames are for needs the rest.
var lanes struct {
	mu   sync.Mutex
	list []*lane
}

// deal finds the lane for one more source.
func deal() (*lane, error) {
	lanes.mu.Lock()
	defer lanes.mu.Unlock()
	var least *lane
	for _, l := range lanes.list {
		if least == nil || l.users < least.users {
			least = l
		}
	}
	if least == nil || len(lanes.list) < max(1, runtime.GOMAXPROCS(0)/2) {
		l, err := newLane()
		if err != nil {
			return nil, err
		}
		lanes.list = append(lanes.list, l)
		least = l
		go func() {
			Run(l.serve)
			l.close()
		}()
	}
	least.users++
	return least, nil
}

// leave gives a source's place back; the last one ends the lane, and waits
// for its end.
func (l *lane) leave() {
	lanes.mu.Lock()
	l.users--
	last := l.users == 0
	for i, other := range lanes.list {
		if last && other == l {
			lanes.list = append(lanes.list[:i], lanes.list[i+1:]...)
			break
		}
	}
	lanes.mu.Unlock()
	if last {
		l.post(nil)
		<-l.done
	}
}
