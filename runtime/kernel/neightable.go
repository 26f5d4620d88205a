package kernel

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Attributes of linux/neighbour.h that package unix does not name.
const (
	ndtaName    = 1
	ndtaThresh3 = 4
	ndtaConfig  = 5
	ndtaStats   = 7
)

// A NeighbourTable is how full the machine's table of neighbours of one family is. All namespaces share it, and with it
// the limit (arp(7), gc_thresh3).
type NeighbourTable struct {
	Family  string // "ipv4" or "ipv6", as sysctl(8) spells it
	Entries int
	Limit   int
	Refused int // how many entries found it full, since the machine was started
}

// NeighbourTables reads both.
func (n *Namespace) NeighbourTables() ([]NeighbourTable, error) {
	all, err := n.dump(unix.RTM_GETNEIGHTBL, rtnl.Raw(make([]byte, sizeofNdtMsg)))
	return neighbourTables(all), fail(err, "list neighbour tables", "", n)
}

const sizeofNdtMsg = 4 // struct ndtmsg

func neighbourTables(all [][]byte) (tables []NeighbourTable) {
	for _, raw := range all {
		attr := func(typ int) []byte { return rtnl.Attr(raw, sizeofNdtMsg, typ) }
		stats, config := attr(ndtaStats), attr(ndtaConfig)
		family := map[string]string{"arp_cache": "ipv4",
			"ndisc_cache": "ipv6"}[strings.TrimRight(string(attr(ndtaName)), "\x00")]
		if family == "" || len(stats) < 88 || len(config) < 8 { // those of a link's own come behind them, without these
			continue
		}
		tables = append(tables, NeighbourTable{Family: family, Limit: rtnl.Uint32(raw, sizeofNdtMsg, ndtaThresh3),
			Entries: int(binary.NativeEndian.Uint32(config[4:])),  // struct ndt_config: ndtc_entries
			Refused: int(binary.NativeEndian.Uint64(stats[80:]))}) // struct ndt_stats: ndts_table_fulls
	}
	return tables
}
