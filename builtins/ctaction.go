package builtins

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// ctAction has the kernel track connections by packets (tc-ct(8)).
var ctAction = declareTC(tcKind{Name: "ct", Args: &ctActionArgs{Control: controls["pipe"]},
	Sizes: map[int]int{1: 20, 3: 2}, Module: "act_ct", Config: "NET_ACT_CT", Eg: "zone=1, control=pipe",
	Fill: fillCT, Shown: showCT,
	Doc: "Looks up the packet's connection, which flower filters ask for behind it, and can keep and change it"})

type ctActionArgs struct {
	_       struct{}                `arg:"*"`
	Commit  *flagBit[bit0, width16] `arg:"commit?" nla:"3+0" doc:"whether to keep the connection from now on"`
	Force   *flagBit[bit1, width16] `arg:"force?" nla:"3+0" doc:"with commit=: whether this packet's direction becomes that of the connection"`
	Clear   *flagBit[bit2, width16] `arg:"clear?" nla:"3+0" doc:"whether to forget what was looked up, and nothing else"`
	Zone    *whole[width16]         `arg:"zone?" nla:"4" doc:"zone that the connection is of, 1 to 65535; 0 when left out"`
	Mark    *markArg                `arg:"mark?" nla:"5,6" doc:"with commit=: the connection's mark: 7, or some bits of it: \"0x1/0xff\""`
	NAT     *ctNAT                  `arg:"nat?" nla:"~1" doc:"with commit=: other addresses and ports for it, as tc-ct(8) says: \"src addr 10.0.0.9\", \"dst addr 10.0.0.9-10.0.0.20 port 1000-2000\"; \"restore\" gives the packet those that its connection has"`
	Control control                 `arg:"control?" nla:"1+8" zero:"yes" doc:"what becomes of it then: pipe (the next action), ok, drop, reclassify, continue or \"goto chain 7\""`
}

// Bits of TCA_CT_ACTION, and attributes of addresses and ports (linux/tc_act/tc_ct.h).
const (
	ctNATed   = 1 << 3
	ctNATSrc  = 1 << 4
	ctNATDst  = 1 << 5
	ctAddr4   = 9
	ctAddr6   = 11
	ctPort    = 13
	ctActions = 3
)

func (a *ctActionArgs) Query(*runtime.View) (starlark.Value, error) {
	commit := a.Commit != nil && bool(*a.Commit)
	switch clear := a.Clear != nil && bool(*a.Clear); {
	case clear && (commit || a.Force != nil || a.Zone != nil || a.Mark != nil || a.NAT != nil):
		return nil, errors.New("action.ct: clear= goes with nothing else")
	case !commit && (a.Force != nil && bool(*a.Force) || a.Mark != nil || a.NAT != nil && a.NAT.side != ""):
		return nil, errors.New("action.ct: force=, mark= and addresses of nat= are of commit=")
	}
	return newAction(ctAction, a)
}

func fillCT(o *tcOptions, _ map[string]kindAttr) error {
	flags := o.room(tcPlace{0, ctActions, 0}, 2)
	var n ctNAT
	value := o.attrs[attrPlace(hiddenAt+1)]
	if value == nil {
		return nil
	}
	n.decode(value)
	flags[0] |= ctNATed | map[string]byte{"src": ctNATSrc, "dst": ctNATDst}[n.side]
	if n.first.IsValid() {
		at := ctAddr4
		if n.first.Is6() {
			at = ctAddr6
		}
		o.attrs[attrPlace(at)], o.attrs[attrPlace(at+1)] = n.first.AsSlice(), n.last.AsSlice()
	}
	if n.ports.first != 0 {
		o.attrs[attrPlace(ctPort)] = encodeNumber[widthPort](n.ports.first)
		o.attrs[attrPlace(ctPort+1)] = encodeNumber[widthPort](n.ports.last)
	}
	return nil
}

func showCT(o *tcOptions) {
	flags := o.attrs[attrPlace(ctActions)]
	if len(flags) == 0 || flags[0]&ctNATed == 0 {
		return
	}
	n := ctNAT{}
	switch {
	case flags[0]&ctNATSrc != 0:
		n.side = "src"
	case flags[0]&ctNATDst != 0:
		n.side = "dst"
	}
	for _, at := range []int{ctAddr4, ctAddr6} {
		if first, ok := netip.AddrFromSlice(o.attrs[attrPlace(at)]); ok {
			n.first, n.last = first, first
			if last, ok := netip.AddrFromSlice(o.attrs[attrPlace(at+1)]); ok {
				n.last = last
			}
		}
	}
	if first := o.attrs[attrPlace(ctPort)]; first != nil {
		n.ports.first = decodeNumber[widthPort](first)
		n.ports.last = max(n.ports.first, decodeNumber[widthPort](o.attrs[attrPlace(ctPort+1)]))
	}
	o.attrs[attrPlace(hiddenAt+1)] = n.encode()
}

// ctNAT is what a connection's packets get for addresses and ports.
type ctNAT struct {
	side        string // src, dst, or none: those that the connection has
	first, last netip.Addr
	ports       rangeArg[widthPort]
}

func (ctNAT) ArgType() string { return "string" }

// encode is its text: it is no attribute of the kernel's.
func (a ctNAT) encode() []byte { return []byte(a.String()) }

func (a *ctNAT) decode(data []byte) { *a, _ = parseNAT(string(data)) }

func (a ctNAT) String() string {
	if a.side == "" {
		return "restore"
	}
	text := a.side
	if a.first.IsValid() {
		text += " addr " + a.first.String()
		if a.last != a.first {
			text += "-" + a.last.String()
		}
	}
	if a.ports.first != 0 {
		text += " port " + itoa(a.ports.first)
		if a.ports.last != a.ports.first {
			text += "-" + itoa(a.ports.last)
		}
	}
	return text
}

func (a ctNAT) ip(word string) string {
	return strings.TrimSuffix(word+" "+a.String(), " restore")
}
func (a ctNAT) value() starlark.Value { return starlark.String(a.String()) }

func (a *ctNAT) Unpack(val starlark.Value) (err error) {
	s, _ := starlark.AsString(val)
	if *a, err = parseNAT(s); err != nil {
		err = fmt.Errorf(`%s is no NAT such as "src addr 10.0.0.9", "dst addr 10.0.0.9 port 80" or "restore"`, val)
	}
	return err
}

func parseNAT(s string) (a ctNAT, err error) {
	if s == "restore" {
		return a, nil
	}
	words := strings.Fields(s)
	if len(words)%2 != 1 || words[0] != "src" && words[0] != "dst" {
		return a, errors.New("")
	}
	a.side = words[0]
	for pair := range slices.Chunk(words[1:], 2) {
		switch pair[0] {
		case "addr":
			first, last, several := strings.Cut(pair[1], "-")
			if a.first, err = netip.ParseAddr(first); err == nil {
				a.last = a.first
			}
			if err == nil && several {
				a.last, err = netip.ParseAddr(last)
			}
		case "port":
			if e := a.ports.Unpack(starlark.String(pair[1])); e != nil {
				err = e
			}
		default:
			err = errors.New("")
		}
		if err != nil {
			return a, err
		}
	}
	if a.first.IsValid() && (a.first.Is4() != a.last.Is4() || a.last.Less(a.first)) {
		err = errors.New("")
	}
	return a, err
}
