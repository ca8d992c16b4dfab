// Package snoop lets an ethernet switch send multicast only where somebody
// wants it, by listening to IGMP (RFC 1112, 2236, 9776) and MLD (RFC 2710,
// 9777) as RFC 4541 advises. It sends nothing itself: it is no querier.
//
// Any switch may use it; ports are numbers. A Table locks itself: all methods may
// be called from any thread and under any lock of the switch. It calls nobody but
// its Memory.
//
// # The path of a frame
//
//   - Control tells a group management message from all other frames.
//   - Snoop reads one, under the table's lock, and says where it goes itself.
//   - Lookup says where all other multicast goes, with no lock.
//
// # What is pruned
//
// Each VLAN has two domains, IPv4 and IPv6, that know nothing of each other.
// Only while a querier is heard in a domain is anything kept from a port: from
// the end of the time that hosts may take to answer the first general query
// until one has been missing for the Other Querier Present Interval. Without
// queries hosts need not repeat their reports, and what is not registered says
// nothing. Then:
//
//   - A registered group goes to the ports of its members and of routers.
//   - An unregistered one goes to the router ports (RFC 4541, 2.1.2 (3)).
//     Table.SetRouter lets single ports have all groups.
//   - 224.0.0.0/24 and ff02::1 go everywhere: hosts do not report them
//     (RFC 4541, 2.1.2 (2) and section 3). Other link-scope groups of IPv6,
//     those of neighbour discovery too, are reported and go where they are
//     wanted.
//
// Frames are told apart by MAC address. Groups that share one get the ports of
// all of them, and what shares the address of 224.0.0.0/24 or ff02::1
// goes everywhere as well.
//
// A table that had to refuse a report because it is full stops pruning in that
// domain until the refused membership would have ended: a host that joins
// everything gains floods, as without snooping, and takes nothing from others.
//
// # Who never left is never cut off
//
// A host reports when it joins and when it is asked. Of a link that flaps
// behind the next switch, of a tree that changed, of a VLAN that was moved, it
// sees nothing. So whatever makes the table forget, or may have put hosts behind
// other ports, opens the domain until the next general query has been answered,
// as RFC 4541, 2.1.1 (4), wants it of a change of topology: Flush and
// ForgetVLAN, Renew for a port, Open for a host that moved, Forget for the port
// of a router. The table opens by itself if another querier takes over, or the
// same one at another port, until that query was answered: those who had answered
// the one before it may be due to expire.
//
// While a domain is open reports go where they always do: to the router ports
// that are known, and to all if there are none. In the second case a host of
// IGMPv1, IGMPv2 or MLDv1 that hears another's may keep its own to itself, and
// is not registered by that query. It is by the one that pruning waits for: its
// port is a router port before the first answer comes.
//
// # Membership
//
// The rules are those of a router (RFC 9776, section 6; RFC 9777, section 7),
// kept for each port: a group has a timer for reports of any source and one
// for each source of an INCLUDE. Where frames go does not depend on the
// source; those timers are only there to know when the last one has been left.
//
// A leave ends nothing by itself, as another host may be behind the port. It
// marks the timers, and the querier's group-specific query sets the marked
// ones to the Last Member Query Time. With Settings.FastLeave they end at once.
// Nothing is taken from a port that did not leave, whatever is asked.
package snoop
