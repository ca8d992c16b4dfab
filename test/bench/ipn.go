package main

const sectionIPN = "Two networks of a mount joined by ipn"

const ipnNote = "Two hosts with taps on two networks with policy switch that a cable `ipn://` joins. direct: both on one network. " +
	"The rest is as in Switch."

// joined are the candidates of part ipn; ratios are to the first. Hosts of even number are on one
// side, the others on the other.
var joined = []netSwitch{
	{"direct", nil, (*session).startIPNFS},
	{"ipnfs", nil, (*session).startJoined},
}

// ipnTests are those of part ipn.
func ipnTests(columns []string) []test {
	return forSwitches(sectionIPN, joined[0].name, columns, []test{
		{id: "tcp1", measure: tcp(1), rows: []row{
			{title: "TCP, 1 stream, Gbit/s", key: "gbits", ratios: map[string]float64{"direct": 0.9}},
			{title: "CPU s/GB, 1 stream", key: "cpu"}}},
		{id: "ping", measure: ping, rows: []row{{title: "ping, median µs", key: "p50"}}},
	})
}

// ipn is the part of that name.
func (b *session) ipn() { b.compare(joined, ipnTests) }

// startJoined: two networks of ipnfs and a cable.
func (b *session) startJoined(l *lan) error {
	sides, err := b.startSides(l)
	if err != nil {
		return err
	}
	return write(sides[0], "cable", "ipn://other")
}
