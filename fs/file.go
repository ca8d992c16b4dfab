package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/creds"
)

// registered makes the row of a file that another package serves. The tree knows
// no more of it than bus.File says.
func registered(file bus.File) row {
	r := row{
		name: file.Name, in: file.Place, rule: file.Rule, live: file.Live,
		emptyOK: file.Empty, signed: file.Write != nil,
	}
	if file.Socket != nil {
		r.kind, r.socket = socket, file.Socket
		return r
	}
	r.read = func(f *FS, n *node) string { return line(file.Read(f.at(n))) }
	if file.Cost != nil {
		r.cost = func(f *FS, n *node) int { return file.Cost(f.at(n)) }
	}
	if file.Write != nil {
		r.write = func(f *FS, n *node, in *fuse.InHeader, command string) error {
			by, err := callerOf(in, n.opener)
			if err != nil {
				return err
			}
			return file.Write(f.at(n), by, command)
		}
	}
	return r
}

// at says where n stands.
func (f *FS) at(n *node) bus.At {
	return bus.At{Bus: f.bus, Network: n.net, Port: n.port, UID: n.reader, GID: n.readerGroup}
}

// callerOf is who makes a request, with what he may do as far as whoever opened
// the file may, too.
func callerOf(in *fuse.InHeader, opener *bus.Credentials) (bus.Caller, error) {
	by := creds.Of(in.Pid, in.Uid, in.Gid)
	var err error
	by.Rights, err = by.Rights.Under(*opener)
	return by, err
}
