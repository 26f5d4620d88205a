package kernel

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Traffic control (tc(8)): qdiscs, the classes that scripts make in them, and the filters that choose between these.
// Their messages begin with a struct tcmsg: family, index, handle, parent, info.
const sizeofTcMsg = 20

// Of linux/pkt_sched.h: parents that are no class, and the blocks of filters that clsact has.
const (
	tcRoot      = 0xffffffff
	tcIngress   = 0xfffffff1
	tcInBlock   = 0xfffffff2
	tcOutBlock  = 0xfffffff3
	tcMajorMask = 0xffff0000
)

func tcLink(raw []byte) int      { return int(binary.NativeEndian.Uint32(raw[4:])) }
func tcHandle(raw []byte) uint32 { return binary.NativeEndian.Uint32(raw[8:]) }
func tcParent(raw []byte) uint32 { return binary.NativeEndian.Uint32(raw[12:]) }
func tcKind(raw []byte) string {
	return unix.ByteSliceToString(rtnl.Attr(raw, sizeofTcMsg, nl.TCA_KIND))
}
func tcOptions(raw []byte) []byte { return rtnl.Attr(raw, sizeofTcMsg, nl.TCA_OPTIONS) }

// qdiscTable holds the qdiscs of links, but for their default ones, which have no handle.
var qdiscTable = &Table{Name: "qdisc", One: "qdisc", Many: "qdiscs",
	Get: unix.RTM_GETQDISC, New: unix.RTM_NEWQDISC, Del: unix.RTM_DELQDISC,
	Header: sizeofTcMsg, Families: []byte{unix.AF_UNSPEC}, On: onLink, Goes: Moving, At: 4, Own: true, Link: tcLink,
	Reads: readQdiscs, Flags: exclusively,
	Key: func(raw []byte) string { return string(raw[12:16]) }, Plain: plainTC, Remove: tcHead, Moves: tcHead,
	Below: func(all tcTree, raw []byte) []TCPart { return all.inQdisc(raw) }, Clashes: qdiscClash,
	Loses: qdiscLoses, put: restoreTC}

// classTable holds the classes of qdiscs that have them made, not those that a qdisc has by itself.
var classTable = &Table{Name: "tc_class", One: "class", Many: "classes",
	Get: unix.RTM_GETTCLASS, New: unix.RTM_NEWTCLASS, Del: unix.RTM_DELTCLASS,
	Header: sizeofTcMsg, Families: []byte{unix.AF_UNSPEC}, On: onLink, Goes: Moving, At: 4, Own: true, Link: tcLink,
	Reads: readClasses, Flags: exclusively,
	Key: func(raw []byte) string { return string(raw[8:12]) }, Plain: plainTC, Remove: tcHead, Moves: classHead,
	Below: func(all tcTree, raw []byte) []TCPart { return all.inClass(raw) }, put: withQdiscs}

// exclusively are the flags of a request that adds something which is not there.
func exclusively([]byte) int { return unix.NLM_F_CREATE | unix.NLM_F_EXCL }

// withQdiscs is how what stands in qdiscs is put back: with these.
func withQdiscs(*Table, *Namespace, *Link, *Image) error { return nil }

// tcAsk is a request of what a link has, in one parent of filters where it is about these.
func tcAsk(index int, parent uint32) rtnl.Raw {
	msg := make([]byte, sizeofTcMsg)
	binary.NativeEndian.PutUint32(msg[4:], uint32(index))
	binary.NativeEndian.PutUint32(msg[12:], parent)
	return msg
}

func (n *Namespace) dumpTC(kind int, l *Link, parent uint32) ([][]byte, error) {
	all, err := n.dumpOrNone(kind, tcAsk(l.Index, parent))
	return slices.DeleteFunc(all, func(raw []byte) bool {
		return len(raw) < sizeofTcMsg || tcLink(raw) != l.Index
	}), err
}

func readQdiscs(n *Namespace, l *Link) ([][]byte, error) {
	all, err := n.dumpTC(unix.RTM_GETQDISC, l, 0)
	return slices.DeleteFunc(all, func(raw []byte) bool { return tcHandle(raw) == 0 }), err
}

// classful are the qdiscs whose classes are made one by one.
var classful = []string{"htb", "hfsc", "drr", "qfq"}

func readClasses(n *Namespace, l *Link) ([][]byte, error) {
	qdiscs, err := readQdiscs(n, l)
	if err != nil || !slices.ContainsFunc(qdiscs, func(q []byte) bool { return slices.Contains(classful, tcKind(q)) }) {
		return nil, err
	}
	all, err := n.dumpTC(unix.RTM_GETTCLASS, l, 0)
	return slices.DeleteFunc(all, func(raw []byte) bool { // hfsc has one for itself
		return tcHandle(raw)&^tcMajorMask == 0 || !slices.Contains(classful, tcKind(raw))
	}), err
}

// tcHead tells which qdisc, class or filter a message is of, and nothing of what it is set to.
func tcHead(raw []byte) []byte {
	head := slices.Clone(raw[:sizeofTcMsg])
	for _, typ := range []int{nl.TCA_KIND, tcaChain} {
		if value := rtnl.Attr(raw, sizeofTcMsg, typ); value != nil {
			head = AppendAttr(head, typ, value)
		}
	}
	return head
}

// classHead is that of a class. One in no other class has the qdisc for parent, or none.
func classHead(raw []byte) []byte {
	head := tcHead(raw)
	if tcParent(raw)&^tcMajorMask == 0 {
		binary.NativeEndian.PutUint32(head[12:], tcRoot)
	}
	return head
}

// tcaChain is TCA_CHAIN (linux/rtnetlink.h).
const tcaChain = 11

// plainTC is the message that adds what a message of a dump tells of, or which is sent as it is.
func plainTC(raw []byte) []byte {
	msg := tcHead(raw)
	binary.NativeEndian.PutUint32(msg[16:], 0)
	if options := repaired(raw); options != nil {
		msg = AppendAttr(msg, nl.TCA_OPTIONS|unix.NLA_F_NESTED, options)
	}
	if stab := rtnl.Attr(raw, sizeofTcMsg, nl.TCA_STAB); stab != nil && !tableOfSizes(raw) {
		msg = AppendAttr(msg, nl.TCA_STAB|unix.NLA_F_NESTED, stab)
	}
	return msg
}

// qdiscClash is a Loss, too, where the kernel gives the link a length of its queue that it had not: it takes 0 for a
// mistake.
func qdiscClash(n *Namespace, t *Table, e Entry) error {
	l, err := n.linkByIndex(e.Link.Index)
	if err == nil {
		err = onItsLink(handleClash)(n, t, e)
	}
	if err == nil && l.TxQLen == 0 {
		err = &Loss{What: "txqlen 0 of link " + l.Name + " in " + n.Name(), Why: "a qdisc makes it 1000"}
	}
	return err
}

// handleClash refuses a qdisc whose handle another one of the link has.
func handleClash(have [][]byte, raw []byte) error {
	for _, q := range have {
		if tcHandle(q) == tcHandle(raw) {
			return unix.EEXIST
		}
	}
	return nil
}

// UnknownTC reports whether this kernel has none of the kind of qdisc, filter or action that it was asked for.
func UnknownTC(err error) bool {
	return errors.Is(err, unix.ENOENT) && slices.Contains([]string{"Specified qdisc kind is unknown",
		"Specified qdisc kind is unknown.", "TC classifier not found", "TC classifier not found.",
		"Failed to load TC action module", "Failed to load TC action module."}, rtnl.Explanation(err))
}
