package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Connection is one that the kernel tracks (nf_conntrack), as ctnetlink shows it.
type Connection struct {
	Key         ConnKey
	Proto       int
	Orig, Reply Tuple
	State       string // of TCP and SCTP, in the words of conntrack(8); "" for others
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

// A ConnKey is what ctnetlink knows a connection by: the message that asks for it. A later one of the same addresses
// and ports has another key, unless the kernel keeps it in the same place of its memory.
type ConnKey []byte

// connStates are the words of conntrack(8) for TCP_CONNTRACK_... and SCTP_CONNTRACK_..., by the attribute in
// CTA_PROTOINFO that has their numbers.
var connStates = map[int][]string{
	1: {"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
		"SYN_SENT2"},
	3: {"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD",
		"SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"},
}

// ConnectionStates are all of these words, sorted.
func ConnectionStates() (all []string) {
	for _, words := range connStates {
		all = append(all, words...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const (
	ctGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	ctDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
	ctHead   = 4                                 // of struct nfgenmsg
	ctOrig   = 1                                 // CTA_TUPLE_ORIG
	ctID     = 12                                // CTA_ID
	ctZone   = 18                                // CTA_ZONE
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
		c := Connection{Key: connKey(raw), Status: nfNumber(attr(3)), Timeout: nfNumber(attr(7)),
			Mark: nfNumber(attr(8)), Zone: int(nfShort(attr(ctZone)))}
		c.Orig, c.Proto = tupleOf(attr(ctOrig), attr(9))
		c.Reply, _ = tupleOf(attr(2), attr(10))
		for typ, words := range connStates { // in CTA_PROTOINFO
			if s := rtnl.Attr(rtnl.Attr(attr(4), 0, typ), 0, 1); len(s) > 0 && int(s[0]) < len(words) {
				c.State = words[s[0]]
			}
		}
		all = append(all, c)
	}
	return all, fail(err, "list connections", "", n)
}

// connKey is the key of a connection that the kernel has shown.
func connKey(raw []byte) ConnKey {
	key := edited(raw, ctHead, func(typ int, value []byte) []byte {
		if slices.Contains([]int{ctOrig, ctID, ctZone}, typ) {
			return value
		}
		return nil
	})
	clear(key[1:ctHead]) // all but the family
	return key
}

// Valid says what is wrong with a key that was not read from the kernel.
func (k ConnKey) Valid() error {
	if err := rtnl.ValidMsg(k, ctHead); err != nil {
		return fmt.Errorf("the key of a connection: %w", err)
	}
	return nil
}

// Words are its protocol and the direction in which it was begun, in the words of conntrack(8): with options, as those
// that name it there.
func (k ConnKey) Words(options bool) string {
	t, proto := tupleOf(rtnl.Attr(k, ctHead, ctOrig), nil)
	icmp := map[int]string{unix.IPPROTO_ICMP: "icmp-", unix.IPPROTO_ICMPV6: "icmpv6-"}[proto]
	words, form := []string{ProtocolName(proto)}, "%[2]s=%[3]v"
	if options {
		words, form = []string{"-p", words[0]}, "--%[1]s%[2]s %[3]v"
		if t.Src.Is6() {
			words = append([]string{"-f", "ipv6"}, words...)
		}
	}
	add := func(prefix, word string, value any) { words = append(words, fmt.Sprintf(form, prefix, word, value)) }
	add("", "src", t.Src)
	add("", "dst", t.Dst)
	switch {
	case icmp != "":
		add(icmp, "type", t.Type)
		add(icmp, "code", t.Code)
		add(icmp, "id", t.ID)
	case t.Sport != 0 || t.Dport != 0:
		add("", "sport", t.Sport)
		add("", "dport", t.Dport)
	}
	if zone := nfShort(rtnl.Attr(k, ctHead, ctZone)); zone != 0 {
		add("", "zone", zone)
	}
	return strings.Join(words, " ")
}

// ProtocolName is a transport protocol's name, or its number.
func ProtocolName(number int) string {
	for name, n := range Protocols {
		if int(n) == number {
			return name
		}
	}
	return strconv.Itoa(number)
}

// HasConnection reports whether the namespace still tracks a connection.
func (n *Namespace) HasConnection(key ConnKey) (bool, error) {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	var found [][]byte
	if err == nil {
		// The answer says of itself that more will come. Nothing does but what is asked for.
		found, err = c.Execute(n.m.buf, ctGet, unix.NLM_F_ACK, rtnl.Raw(key))
	}
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return len(found) > 0 && bytes.Equal(rtnl.Attr(found[0], ctHead, ctID), rtnl.Attr(key, ctHead, ctID)),
		fail(err, "look for connection", key.Words(false), n)
}

// DelConnection has the namespace forget a connection. One that it does not track is ErrGone.
func (n *Namespace) DelConnection(key ConnKey) error {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	if err == nil {
		err = c.Do(n.m.buf, ctDelete, 0, rtnl.Raw(key))
	}
	there := func() (bool, error) { return n.HasConnection(key) }
	return n.reallyGone(err, "delete connection", key.Words(false), there)
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
