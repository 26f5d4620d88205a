package kernel

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Connection is one that the kernel tracks (nf_conntrack), as ctnetlink shows it.
type Connection struct {
	Proto       int
	Orig, Reply Tuple
	State       string // of TCP, in the words of conntrack(8); "" for others
	Status      uint32 // IPS_... of linux/netfilter/nf_conntrack_common.h
	Mark        uint32
	Zone        int
	Timeout     uint32 // seconds
}

// A Tuple is what the packets of one direction of a connection have in common, and how many there were. The counts are
// 0 unless net.netfilter.nf_conntrack_acct is 1.
type Tuple struct {
	Src, Dst       netip.Addr
	Sport, Dport   int // 0 where the protocol has none
	Type, Code, ID int // of ICMP
	Packets, Bytes uint64
}

// tcpStates are the words of conntrack(8) for TCP_CONNTRACK_...
var tcpStates = []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK",
	"TIME_WAIT", "CLOSE", "SYN_SENT2"}

const (
	ctGet  = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	ctHead = 4                                 // of struct nfgenmsg
)

// Connections lists the connections that the namespace tracks.
func (n *Namespace) Connections() (all []Connection, err error) {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fail(err, "list connections", "", n)
	}
	raws, err := c.Dump(n.m.buf, ctGet, make(rtnl.Raw, ctHead))
	for _, raw := range raws {
		attr := func(typ int) []byte { return rtnl.Attr(raw, ctHead, typ) }
		c := Connection{Status: nfNumber(attr(3)), Timeout: nfNumber(attr(7)), Mark: nfNumber(attr(8)),
			Zone: int(nfShort(attr(18)))}
		c.Orig, c.Proto = tupleOf(attr(1), attr(9))
		c.Reply, _ = tupleOf(attr(2), attr(10))
		// CTA_PROTOINFO, CTA_PROTOINFO_TCP, its state
		if s := rtnl.Attr(rtnl.Attr(attr(4), 0, 1), 0, 1); len(s) > 0 && int(s[0]) < len(tcpStates) {
			c.State = tcpStates[s[0]]
		}
		all = append(all, c)
	}
	return all, fail(err, "list connections", "", n)
}

// tupleOf reads CTA_TUPLE_... and CTA_COUNTERS_... of one direction.
func tupleOf(tuple, counters []byte) (t Tuple, proto int) {
	ip, l4 := rtnl.Attr(tuple, 0, 1), rtnl.Attr(tuple, 0, 2)
	for _, typ := range []int{1, 3} { // CTA_IP_V4_SRC, CTA_IP_V6_SRC; the destinations are the next ones
		if src, ok := netip.AddrFromSlice(rtnl.Attr(ip, 0, typ)); ok {
			t.Src = src
			t.Dst, _ = netip.AddrFromSlice(rtnl.Attr(ip, 0, typ+1))
		}
	}
	t.Sport, t.Dport = int(nfShort(rtnl.Attr(l4, 0, 2))), int(nfShort(rtnl.Attr(l4, 0, 3)))
	for _, typ := range []int{4, 7} { // CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID, and type and code behind each
		if id := rtnl.Attr(l4, 0, typ); id != nil {
			t.ID = int(nfShort(id))
			t.Type, t.Code = rtnl.Uint8(l4, 0, typ+1), rtnl.Uint8(l4, 0, typ+2)
		}
	}
	t.Packets, t.Bytes = nfLong(rtnl.Attr(counters, 0, 1)), nfLong(rtnl.Attr(counters, 0, 2))
	return t, rtnl.Uint8(l4, 0, 1)
}

// nfShort is a number of 16 bits, 0 for none.
func nfShort(value []byte) uint16 {
	if len(value) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(value)
}
