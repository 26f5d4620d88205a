package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// addrGiven is what an address is given besides its prefix and its other end (ip-address(8)).
type addrGiven struct {
	Broadcast     *ipArg                       `arg:"broadcast?" doc:"broadcast address (IPv4); the subnet's highest when left out"`
	Scope         *scopeArg                    `arg:"scope?" doc:"how far it is valid: global, site, link, host, or a number; global when left out (IPv4)"`
	Label         *addrLabelArg                `arg:"label?" doc:"a name of the link's, a colon and a word, such as \"eth0:1\" (IPv4)"`
	Valid         *lasting[inSeconds, width32] `arg:"valid_lft?" doc:"time after which the kernel removes it, in seconds, such as \"1h\"; never when left out"`
	Preferred     *lasting[inSeconds, width32] `arg:"preferred_lft?" doc:"time after which it is not chosen as a source any more, at most valid_lft=; that when left out"`
	HomeAddress   bool                         `arg:"home?" doc:"it is a home address (IPv6, RFC 6275)"`
	MngTmpAddr    bool                         `arg:"mngtmpaddr?" doc:"temporary addresses are made from it (IPv6, RFC 8981)"`
	NoPrefixRoute bool                         `arg:"noprefixroute?" doc:"the kernel adds no route to its subnet"`
	AutoJoin      bool                         `arg:"autojoin?" doc:"join the group of a multicast address on the link"`
	Metric        *whole[widthSome]            `arg:"metric?" doc:"metric of the route to its subnet"`
	Proto         *whole[width8]               `arg:"proto?" doc:"who added it, a number (Linux 5.18); 94 in a namespace that the run did not make"`
}

// addrFlagWords are the flags of an address, in ip-address(8)'s words and order.
var addrFlagWords = []struct {
	bit  uint32
	word string
}{{unix.IFA_F_SECONDARY, "secondary"}, {unix.IFA_F_TENTATIVE, "tentative"}, {unix.IFA_F_PERMANENT, "permanent"},
	{unix.IFA_F_MANAGETEMPADDR, "mngtmpaddr"}, {unix.IFA_F_NOPREFIXROUTE, "noprefixroute"},
	{unix.IFA_F_MCAUTOJOIN, "autojoin"}, {unix.IFA_F_DEPRECATED, "deprecated"}, {unix.IFA_F_HOMEADDRESS, "home"},
	{unix.IFA_F_NODAD, "nodad"}, {unix.IFA_F_OPTIMISTIC, "optimistic"}, {unix.IFA_F_DADFAILED, "dadfailed"},
	{unix.IFA_F_STABLE_PRIVACY, "stable-privacy"}}

// spec is what an address is given, and that in ip-address(8)'s words.
func (a *addrGiven) spec(addr kernel.Addr) (s kernel.AddrSpec, words string, err error) {
	six := addr.Prefix.Addr().Is6()
	switch {
	case six && (a.Broadcast != nil || a.Scope != nil || a.Label != nil):
		return s, "", errors.New("addr: broadcast=, scope= and label= are for IPv4 addresses: " +
			"the kernel ignores them for others")
	case !six && (a.HomeAddress || a.MngTmpAddr):
		return s, "", errors.New("addr: home= and mngtmpaddr= are for IPv6 addresses: " +
			"the kernel ignores them for others")
	case a.Broadcast != nil && !a.Broadcast.Is4():
		return s, "", fmt.Errorf("addr: broadcast=%s is no IPv4 address", a.Broadcast)
	case a.AutoJoin && !addr.Prefix.Addr().IsMulticast():
		return s, "", fmt.Errorf("addr: autojoin= is for multicast addresses, and %s is none", addr.Prefix.Addr())
	case a.Label != nil && !a.Label.of(addr.Link.Name):
		return s, "", fmt.Errorf("addr: label %q does not begin with %q", *a.Label, addr.Link.Name+":")
	}
	say := func(typ int, data []byte, text string) {
		if data != nil {
			s.Attrs = kernel.AppendAttr(s.Attrs, typ, data)
		}
		words += " " + text
	}
	if a.Broadcast != nil {
		say(unix.IFA_BROADCAST, a.Broadcast.AsSlice(), "broadcast "+a.Broadcast.String())
	}
	if a.Scope != nil {
		s.Scope = (*uint8)(a.Scope)
		say(0, nil, "scope "+kernel.WordOf(kernel.RouteScopes(), *s.Scope))
	}
	if a.Label != nil {
		say(unix.IFA_LABEL, append([]byte(*a.Label), 0), "label "+string(*a.Label))
	}
	if a.Metric != nil {
		say(unix.IFA_RT_PRIORITY, a.Metric.encode(), a.Metric.ip("metric"))
	}
	if a.Proto != nil {
		say(ifaProto, a.Proto.encode(), a.Proto.ip("proto"))
	}
	for _, f := range []struct {
		is   bool
		bit  uint32
		word string
	}{{a.HomeAddress, unix.IFA_F_HOMEADDRESS, "home"}, {a.MngTmpAddr, unix.IFA_F_MANAGETEMPADDR, "mngtmpaddr"},
		{a.NoPrefixRoute, unix.IFA_F_NOPREFIXROUTE, "noprefixroute"}, {a.AutoJoin, unix.IFA_F_MCAUTOJOIN, "autojoin"}} {
		if f.is {
			s.Flags |= f.bit
			words += " " + f.word
		}
	}
	if a.Valid == nil && a.Preferred == nil {
		return s, words, nil
	}
	valid := uint32(addrForever)
	if a.Valid != nil {
		valid = uint32(*a.Valid)
		words += " valid_lft " + itoa(int(valid))
	}
	preferred := valid
	if a.Preferred != nil {
		preferred = uint32(*a.Preferred)
	}
	if valid == 0 || preferred > valid {
		return s, "", errors.New("addr: valid_lft= must be more than 0, and preferred_lft= at most that")
	}
	if preferred != addrForever {
		words += " preferred_lft " + itoa(int(preferred))
	}
	info := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, preferred), valid)
	s.Attrs = kernel.AppendAttr(s.Attrs, unix.IFA_CACHEINFO, append(info, make([]byte, 8)...))
	return s, words, nil
}

const (
	ifaProto    = 11        // IFA_PROTO of linux/if_addr.h
	addrForever = 1<<32 - 1 // INFINITY_LIFE_TIME of it
)

// addrReads are the attributes of an address that the kernel tells.
func addrReads() (all []runtime.Attr) {
	add := func(name, typ, doc string, get func(msg []byte, a kernel.Addr) starlark.Value) {
		all = append(all, runtime.Attr{Name: name, Type: typ, Doc: doc, Aside: true,
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				a := r.(*addrValue).addr
				a.Link = v.Machine().Current(a.Link)
				msg, err := v.Machine().FindAddr(a)
				if err != nil {
					return nil, err
				}
				return get(msg, a), nil
			}})
	}
	text := func(typ int) func([]byte, kernel.Addr) starlark.Value {
		return func(msg []byte, _ kernel.Addr) starlark.Value {
			return orNone(unix.ByteSliceToString(kernel.AddrAttr(msg, typ)))
		}
	}
	numeric := func(typ int) func([]byte, kernel.Addr) starlark.Value {
		return func(msg []byte, _ kernel.Addr) starlark.Value {
			if data := kernel.AddrAttr(msg, typ); data != nil {
				return starlark.MakeInt(decodeNumber[width32](data))
			}
			return starlark.None
		}
	}
	lifetime := func(at int) func([]byte, kernel.Addr) starlark.Value {
		return func(msg []byte, _ kernel.Addr) starlark.Value {
			info := kernel.AddrAttr(msg, unix.IFA_CACHEINFO)
			if len(info) < at+4 || binary.NativeEndian.Uint32(info[at:]) == addrForever {
				return starlark.None
			}
			return lasting[inSeconds, width32](binary.NativeEndian.Uint32(info[at:])).value()
		}
	}
	add("peer", "string or None", "address of the other end, with its prefix length, when it was given one",
		func(_ []byte, a kernel.Addr) starlark.Value {
			if !a.Peer.IsValid() {
				return starlark.None
			}
			return starlark.String(a.Peer.String())
		})
	add("broadcast", "string or None", "its broadcast address (IPv4)", func(msg []byte, _ kernel.Addr) starlark.Value {
		ip, _ := netip.AddrFromSlice(kernel.AddrAttr(msg, unix.IFA_BROADCAST))
		return orNone(addrText(ip))
	})
	add("scope", "string", "how far it is valid: global, site, link, host",
		func(msg []byte, _ kernel.Addr) starlark.Value {
			return starlark.String(kernel.WordOf(kernel.RouteScopes(), msg[3]))
		})
	add("label", "string or None", "its label, or the name of its link (IPv4)", text(unix.IFA_LABEL))
	add("valid_lft", "duration or None", "time after which the kernel removes it; None for never", lifetime(4))
	add("preferred_lft", "duration or None", "time until which it is chosen as a source; None for ever", lifetime(0))
	add("metric", "int or None", "metric of the route to its subnet, when it was given one",
		numeric(unix.IFA_RT_PRIORITY))
	add("proto", "int or None", "number of who added it, when the kernel knows", numeric(ifaProto))
	add("flags", "list of string", "secondary, tentative, permanent, deprecated, dadfailed, nodad, noprefixroute, "+
		"home, mngtmpaddr, autojoin ...", func(msg []byte, _ kernel.Addr) starlark.Value {
		var words []string
		for _, f := range addrFlagWords {
			if kernel.AddrFlags(msg)&f.bit != 0 {
				words = append(words, f.word)
			}
		}
		return stringList(words)
	})
	return all
}

// addrLabelArg is the label of an IPv4 address.
type addrLabelArg string

func (addrLabelArg) ArgType() string { return "string" }

// of reports whether it is one of a link's.
func (a addrLabelArg) of(link string) bool {
	return string(a) == link || strings.HasPrefix(string(a), link+":")
}

func (a *addrLabelArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	if s == "" || len(s) > 15 || strings.ContainsAny(s, "/ \t\n\v\f\r\x00") || strings.HasPrefix(s, "-") {
		return fmt.Errorf("%q is no label of 1 to 15 characters", s)
	}
	*a = addrLabelArg(s)
	return nil
}
