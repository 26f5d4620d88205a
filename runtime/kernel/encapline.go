package kernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Encap is what a route puts around packets: a row for each of linux/lwtunnel.h that scripts give.
type Encap struct {
	Word  string
	Type  uint16
	Attrs []EncapAttr
}

// An EncapAttr is an attribute of an encapsulation, in the order of ip-route(8).
type EncapAttr struct {
	Number int
	Word   string // empty where the value stands alone
	Form   EncapForm
}

// An EncapForm is how an attribute is written.
type EncapForm int

// The forms: numbers by their bytes, in network order, in hex; a link's index; a stack of labels; SRv6's behaviour and
// its segment routing headers (RFC 8754), with the mode before it or alone.
const (
	EncapNumber EncapForm = iota
	EncapBig
	EncapHex
	EncapIP
	EncapDev
	EncapLabels
	EncapAction
	EncapModeSRH
	EncapSRH
)

// Encaps are all that there are rows of.
var Encaps = []Encap{
	{"mpls", 1, []EncapAttr{{1, "", EncapLabels}, {2, "ttl", EncapNumber}}},
	{"ip", 2, []EncapAttr{{1, "id", EncapBig}, {3, "src", EncapIP}, {2, "dst", EncapIP}, {4, "ttl", EncapNumber},
		{5, "tos", EncapNumber}}},
	{"ip6", 4, []EncapAttr{{1, "id", EncapBig}, {3, "src", EncapIP}, {2, "dst", EncapIP}, {4, "hoplimit", EncapNumber},
		{5, "tc", EncapNumber}}},
	{"seg6", 5, []EncapAttr{{1, "", EncapModeSRH}}},
	{"seg6local", 7, []EncapAttr{{1, "action", EncapAction}, {2, "srh", EncapSRH}, {3, "table", EncapNumber},
		{9, "vrftable", EncapNumber}, {4, "nh4", EncapIP}, {5, "nh6", EncapIP}, {6, "iif", EncapDev},
		{7, "oif", EncapDev}}},
	{"xfrm", 10, []EncapAttr{{1, "if_id", EncapHex}, {2, "link_dev", EncapDev}}},
}

// otherEncaps are the words for encapsulations without a row.
var otherEncaps = map[uint16]string{3: "ila", 6: "bpf", 8: "rpl", 9: "ioam6"}

// Seg6Modes are the words for how a segment routing header is put into packets, by their numbers.
var Seg6Modes = []string{"inline", "encap", "l2encap", "encap.red", "l2encap.red"}

// Seg6Actions are the behaviours of segments (RFC 8986), by their numbers.
var Seg6Actions = []string{"", "End", "End.X", "End.T", "End.DX2", "End.DX6", "End.DX4", "End.DT6", "End.DT4", "End.B6",
	"End.B6.Encaps", "End.BM", "End.S", "End.AS", "End.AM", "End.BPF", "End.DT46"}

// encap adds what a route or a nexthop puts around packets.
func (l *line) encap(kind, nest []byte) {
	if len(kind) < 2 {
		return
	}
	typ := binary.NativeEndian.Uint16(kind)
	for _, e := range Encaps {
		if e.Type != typ {
			continue
		}
		l.add("encap", e.Word)
		l.addEncap(e, nest)
		return
	}
	if word := otherEncaps[typ]; word != "" {
		l.add("encap", word)
	}
}

// EncapWords are an encapsulation as ip-route(8) is given it.
func EncapWords(e Encap, nest []byte) string {
	l := line{given: true}
	l.addEncap(e, nest)
	return l.String()
}

// EncapText is the value of an attribute.
func EncapText(form EncapForm, data []byte) string { return (&line{}).encapText(form, data) }

func (l *line) addEncap(e Encap, nest []byte) {
	for _, a := range e.Attrs {
		v := rtnl.Attr(nest, 0, a.Number)
		if v == nil {
			continue
		}
		if a.Word != "" {
			l.add(a.Word)
		}
		l.add(l.encapText(a.Form, v))
	}
}

func (l *line) encapText(form EncapForm, v []byte) string {
	n := uint64(0)
	switch len(v) {
	case 1:
		n = uint64(v[0])
	case 4:
		n = uint64(binary.NativeEndian.Uint32(v))
	case 8:
		n = binary.BigEndian.Uint64(v)
	}
	switch form {
	case EncapIP:
		ip, _ := netip.AddrFromSlice(v)
		return ip.String()
	case EncapDev:
		return cmp.Or(l.names[int(n)], "if"+strconv.FormatUint(n, 10))
	case EncapHex:
		return fmt.Sprintf("%#x", n)
	case EncapLabels:
		return labelText(v)
	case EncapAction:
		if n < uint64(len(Seg6Actions)) {
			return Seg6Actions[n]
		}
	case EncapModeSRH:
		mode, segs := Seg6Of(v)
		if !l.given && len(v) > 4 {
			segs = SegmentsOf(v[4:])
		}
		return "mode " + mode + " " + l.segments(segs)
	case EncapSRH:
		return l.segments(SegmentsOf(v))
	}
	return strconv.FormatUint(n, 10)
}

func (l *line) segments(segs []netip.Addr) string {
	var words []string
	for _, s := range segs {
		words = append(words, s.String())
	}
	if l.given {
		return "segs " + strings.Join(words, ",")
	}
	return fmt.Sprintf("segs %d [ %s ]", len(segs), strings.Join(words, " "))
}

// SRH is a segment routing header (struct ipv6_sr_hdr of linux/seg6.h), whose segments stand from the last to the
// first.
func SRH(segs []netip.Addr) []byte {
	last := byte(len(segs) - 1)
	srh := []byte{0, byte(2 * len(segs)), 4, last, last, 0, 0, 0}
	for i := len(segs) - 1; i >= 0; i-- {
		srh = append(srh, segs[i].AsSlice()...)
	}
	return srh
}

// Seg6 is SEG6_IPTUNNEL_SRH, a struct seg6_iptunnel_encap. Inline, the packet's own destination becomes the last
// segment.
func Seg6(mode string, segs []netip.Addr) []byte {
	for i, word := range Seg6Modes {
		if word == mode {
			if i == 0 {
				segs = append(segs[:len(segs):len(segs)], netip.IPv6Unspecified())
			}
			return append(binary.NativeEndian.AppendUint32(nil, uint32(i)), SRH(segs)...)
		}
	}
	return nil
}

// Seg6Of reads what Seg6 wrote: the mode, and the segments that it was given.
func Seg6Of(v []byte) (mode string, segs []netip.Addr) {
	if len(v) < 4 {
		return "", nil
	}
	n := binary.NativeEndian.Uint32(v)
	if n < uint32(len(Seg6Modes)) {
		mode = Seg6Modes[n]
	}
	segs = SegmentsOf(v[4:])
	if n == 0 && len(segs) > 0 {
		segs = segs[:len(segs)-1]
	}
	return mode, segs
}

// SegmentsOf are the segments of a header, in the order in which they are passed.
func SegmentsOf(srh []byte) (segs []netip.Addr) {
	for i := 8; i+16 <= len(srh); i += 16 {
		ip, _ := netip.AddrFromSlice(srh[i : i+16])
		segs = append([]netip.Addr{ip}, segs...)
	}
	return segs
}

// EncapAttrs are the attributes of a route or a nexthop that say what it puts around packets.
func EncapAttrs(e Encap, nest []byte) []byte {
	attrs := AppendAttr(nil, unix.RTA_ENCAP_TYPE, binary.NativeEndian.AppendUint16(nil, e.Type))
	return AppendAttr(attrs, unix.RTA_ENCAP, nest)
}
