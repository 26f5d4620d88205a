package builtins

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

// probeNext is what to look at next when packets to DST from NS are lost, by the name of the failure. WHO said so, when
// somebody did.
var probeNext = []struct {
	names []string
	own   bool // it is NS itself that says so
	next  string
}{
	{[]string{"timeout"}, false, "are both ends up, with addresses of one subnet or a route? NS.routes shows the " +
		"routes; trace(NS, \"DST\") shows how far packets get; check=False returns the result instead"},
	{[]string{"host unreachable", "address unreachable"}, true, "nobody on the link answers for DST, or for the " +
		"gateway to it: are both ends up, and is the address that of a host there?"},
	{[]string{"host unreachable", "address unreachable", "host unknown"}, false,
		"WHO finds nobody who answers for DST: is that host up, with this address?"},
	{[]string{"net unreachable", "no route", "net unknown", "reject route"}, false,
		"WHO has no route to DST, or one of type unreachable: look at the routes there"},
	{[]string{"ENETUNREACH"}, true, "route(NS, ...) adds a route to DST; NS.routes shows those that there are"},
	{[]string{"EHOSTUNREACH", "EACCES", "EINVAL"}, true, "a route or a rule of NS forbids it (unreachable, prohibit, " +
		"blackhole): route_get(NS, \"DST\") and NS.rules show which"},
	{[]string{"EPERM"}, true, "a rule of NS drops what it sends: nft rules of its output and postrouting hooks"},
	{[]string{"port unreachable", "protocol unreachable"}, false,
		"a rule of WHO rejects it, or nothing listens there: look at the nft rules there"},
	{[]string{"administratively prohibited", "net prohibited", "host prohibited", "source address failed policy"},
		false, "a route of type prohibit or a rule of WHO forbids it: look at the routes and nft rules there"},
	{[]string{"fragmentation needed", "packet too big", "EMSGSIZE"}, false,
		"want less size=, or let it be fragmented; pmtu(NS, \"DST\") shows what fits, and who says so"},
	{[]string{"time exceeded"}, false,
		"want more ttl=, unless routers send it in a circle: trace(NS, \"DST\") shows them"},
	{[]string{"fragment reassembly time exceeded"}, false, "a fragment was lost on the way to WHO: want less size="},
	{[]string{"beyond scope of source"}, false, "its source is of one link: source= is one that DST can answer"},
	{[]string{"ENOBUFS"}, true, "a queue of NS is full: want more interval=, or a longer queue (txqlen)"},
}

// probeHint says what to look at. Where the kernel could not keep the neighbour, all is well with the lab.
func probeHint(n *kernel.Namespace, dst netip.Addr, lost []probe.Failure) string {
	tables, err := n.NeighbourTables()
	for _, table := range tables {
		full := slices.ContainsFunc(lost, func(f probe.Failure) bool { return errors.Is(f.Err, unix.ENOBUFS) })
		if full && err == nil && table.Refused > 0 && dst.Is6() == (table.Family == "ipv6") {
			return fmt.Sprintf("the machine's neighbour table, which all namespaces share, "+
				"was full (%d entries of %d now): raise net.%s.neigh.default.gc_thresh3 on the machine itself",
				table.Entries, table.Limit, table.Family)
		}
	}
	for _, f := range lost {
		own := !f.From.IsValid()
		if !own {
			own, _ = n.Lookup(f.From, netip.Addr{}, 0)
		}
		for _, row := range probeNext {
			if slices.Contains(row.names, f.Name) && (own || !row.own) {
				words := strings.NewReplacer("NS", n.Name(), "DST", dst.String(), "WHO", f.From.String())
				return words.Replace(row.next)
			}
		}
	}
	return "trace(" + n.Name() + ", \"" + dst.String() + "\") shows how far packets get"
}
