package main

// test is one run of load, done by every column's candidate in each round.
type test struct {
	section string   // a table
	columns []string // ipnfs, and the peers it is compared with: "C", "go-fuse", "relay"
	kind    string   // which mode of the peers: "null" or "hub"
	free    bool     // nothing pinned
	args    []string // of load: mode and what it needs
	door    string   // ipnfs: this instead of lan/port
	fill    string   // ipnfs: the stream file that fills the queue
	window  string   // load's -w
	rows    []row    // what of the result is shown

	// Part doors only: it is what loads the candidate.
	drive func(*session, *daemon, *test) (map[string]float64, error)

	// Parts switch, middle and doors only.
	id        string // what name says instead of the title
	once      bool   // in one round
	reference string // the column that the peers' cells are compared with
	measure   func(*session, *lan) (map[string]float64, error)
}

// row is a line of a table: one figure of a test.
type row struct {
	title  string
	key    string             // in load's answer
	second string             // shown behind the first with a slash
	ratios map[string]float64 // what ipnfs shall reach at least, in times of a peer
	most   map[string]float64 // and at most
	least  float64            // what it shall reach in itself
	claims []claim            // what peers shall reach
}

// claim is what one peer shall reach at least, in times of another.
type claim struct {
	column, peer string
	least        float64
}

// name is what -measure is matched with.
func (t *test) name() string {
	if t.id != "" {
		return t.section + ": " + t.id
	}
	return t.section + ": " + t.rows[0].title
}

const (
	sectionFloor   = "Calls, one CPU"
	sectionFull    = "Calls into a full queue, one CPU"
	sectionBus     = "Bus, a call a frame, one CPU"
	sectionStream  = "Stream, 64 KiB a call, one CPU"
	sectionQueued  = "CPU time of the daemon for each receiver of a broadcast, frames read later"
	sectionWaiting = "CPU time of the daemon for each receiver of a broadcast, readers waiting"
	sectionFree    = "Free"
)

// notes stand below the titles of the tables.
var notes = map[string]string{
	sectionFloor: "Calls a second. C and go-fuse answer at once and do nothing else. ipnfs: writes on a network without " +
		"other ports; reads of frames that `stream` put into the queue (that part is not timed). The reader offers the frame's size.",
	sectionFull: "One receiver that never reads, its queue full, frames dropped.",
	sectionBus: "fan: frames a second at each reader, the writer at most 64 frames (relay: 10, what a Unix datagram " +
		"socket holds) ahead of the slowest reader, nothing lost. Round trips: two processes, one frame on its way.",
	sectionStream: "Frames a second at each reader and deliveries a second to all, `overflow` block, `queue` 4096.",
	sectionQueued: "Microseconds a delivery, one CPU: (broadcast to N - broadcast to nobody) / N; each reads its frames " +
		"afterwards, which is included.",
	sectionWaiting: "As above, every receiver a thread blocked in read(2). With the number of threads the kernel's " +
		"own cost of a wake-up grows: compare with C.",
	sectionFree:    "Nothing pinned: for information.",
	sectionSwitch:  switchNote,
	sectionMiddle:  middleNote,
	sectionProfile: profileNote,
	sectionDoors:   doorsNote,
	sectionVhost:   vhostNote,
	sectionNATS:    natsNote,
	sectionIPN:     ipnNote,

	sectionFewKnown:  knownNote,
	sectionManyKnown: "As above.",
	sectionVLANs:     vlansNote,
	sectionMirror:    mirrorNote,
	sectionThousand:  thousandNote,
}

var (
	nullColumns = []string{"C", "go-fuse", "ipnfs"}
	busColumns  = []string{"C", "go-fuse", "relay", "ipnfs"}
	costColumns = []string{"C", "ipnfs"}
	floorRatios = map[string]float64{"C": 0.8, "go-fuse": 2}
)

// receivers of the cost tests.
var receivers = []string{"1", "10", "100", "1000"}

// plan lists all tests.
func plan() []test {
	tests := []test{
		call(sectionFloor, "write", "64", false),
		call(sectionFloor, "write", "1500", false),
		call(sectionFloor, "read", "64", false),
		call(sectionFloor, "read", "1500", false),
		{section: sectionFull, columns: costColumns, kind: "hub", args: []string{"writefull", "64"},
			rows: callRows("write 64 B", nil)},
		fan("1", "64", false),
		fan("1", "1500", false),
		fan("16", "64", false),
		fan("16", "1500", false),
		roundTrip("64", false),
		stream("1", 1e6, 0),
		stream("16", 0, 7e5),
		cost(sectionQueued, "costqueued"),
		cost(sectionWaiting, "cost"),
		call(sectionFree, "write", "64", true),
		call(sectionFree, "read", "64", true),
		fan("1", "64", true),
		fan("16", "64", true),
		roundTrip("64", true),
	}
	return tests
}

func callRows(title string, ratios map[string]float64) []row {
	return []row{{title: title, key: "ops", ratios: ratios}, {title: title + ", p50 / p99 µs", key: "p50", second: "p99"}}
}

func call(section, mode, size string, free bool) test {
	ratios := floorRatios
	if free {
		ratios = nil
	}
	t := test{section: section, columns: nullColumns, kind: "null", free: free, args: []string{mode, size},
		rows: callRows(mode+" "+size+" B", ratios)}
	if mode == "read" {
		t.door, t.fill = "deep/port", "deep/stream"
	}
	return t
}

func busSection(free bool) string {
	if free {
		return sectionFree
	}
	return sectionBus
}

func fan(readers, size string, free bool) test {
	return test{section: busSection(free), columns: busColumns, kind: "hub", free: free, window: "64",
		args: []string{"fan", readers, size}, rows: []row{{title: "fan to " + readers + ", " + size + " B", key: "ops"}}}
}

func roundTrip(size string, free bool) test {
	return test{section: busSection(free), columns: busColumns, kind: "hub", free: free,
		args: []string{"rtt", size}, rows: callRows("round trips, "+size+" B", nil)}
}

func stream(readers string, frames, deliveries float64) test {
	return test{section: sectionStream, columns: []string{"ipnfs"}, args: []string{"stream", readers, "64"},
		door: "lossless/stream", window: "0", rows: []row{
			{title: "to " + readers + ", frames/s at each", key: "ops", least: frames},
			{title: "to " + readers + ", deliveries/s", key: "deliveries", least: deliveries}}}
}

func cost(section, mode string) test {
	t := test{section: section, columns: costColumns, kind: "hub", args: append([]string{mode}, receivers...)}
	for _, n := range receivers {
		t.rows = append(t.rows, row{title: "to " + n, key: "per_" + n})
	}
	return t
}
