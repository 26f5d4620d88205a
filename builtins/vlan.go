package builtins

import (
	"cmp"
	"encoding/binary"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "vlan", Module: "8021q", Config: "VLAN_8021Q", Args: &vlanArgs{},
	Doc: "Makes a vlan link: it has the frames of another link with one VLAN tag (IEEE 802.1Q)."})

type vlanArgs struct {
	Link linkArg          `arg:"link" nla:"lower" doc:"link that it stands on"`
	ID   whole[widthVLAN] `arg:"id" nla:"1" eg:"42" doc:"VLAN identifier, 0 to 4094"`
	NS   *nsArg           `arg:"ns?" doc:"namespace that it is in; that of the link when left out"`
	_    struct{}         `arg:"*"`
	newLinkArgs
	Protocol      *oneOf[vlanProtocols, widthBig16] `arg:"protocol?" nla:"5" doc:"its tag: 802.1Q (C-VLAN), or 802.1ad (S-VLAN, around others); 802.1Q when left out"`
	ReorderHeader *vlanFlag[bit0]                   `arg:"reorder_hdr?" nla:"2" set:"yes" doc:"whether programs see its frames without the tag; True when left out"`
	GVRP          *vlanFlag[bit1]                   `arg:"gvrp?" nla:"2" set:"yes" doc:"whether it is told to the switch outside by GVRP (IEEE 802.1Q)"`
	LooseBinding  *vlanFlag[bit2]                   `arg:"loose_binding?" nla:"2" set:"yes" doc:"whether it stays up when its link goes down"`
	MVRP          *vlanFlag[bit3]                   `arg:"mvrp?" nla:"2" set:"yes" doc:"whether it is told to the switch outside by MVRP (IEEE 802.1ak)"`
	BridgeBinding *vlanFlag[bit4]                   `arg:"bridge_binding?" nla:"2" set:"yes" doc:"whether its carrier, on a bridge, is that of the ports which have its VLAN"`
}

func (a *vlanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &a.newLinkArgs)
}

type (
	widthVLAN  struct{}
	widthBig16 struct{}
)

func (widthVLAN) width() (size, least, most int, big bool)  { return 2, 0, 4094, false }
func (widthBig16) width() (size, least, most int, big bool) { return 2, 0, 1<<16 - 1, true }

// vlanProtocols are the numbers of linux/if_ether.h.
type vlanProtocols struct{}

func (vlanProtocols) words() map[string]int {
	return map[string]int{"802.1Q": 0x8100, "802.1ad": 0x88a8}
}

// vlanFlag is one bit of a struct ifla_vlan_flags: the bits, and a mask of those that are given.
type vlanFlag[B bit] bool

type bit interface{ bit() uint32 }

type (
	bit0 struct{}
	bit1 struct{}
	bit2 struct{}
	bit3 struct{}
	bit4 struct{}
)

func (bit0) bit() uint32 { return 1 << 0 }
func (bit1) bit() uint32 { return 1 << 1 }
func (bit2) bit() uint32 { return 1 << 2 }
func (bit3) bit() uint32 { return 1 << 3 }
func (bit4) bit() uint32 { return 1 << 4 }

func (vlanFlag[B]) ArgType() string         { return "bool" }
func (a vlanFlag[B]) value() starlark.Value { return starlark.Bool(a) }
func (a vlanFlag[B]) ip(word string) string {
	return word + map[bool]string{true: " on", false: " off"}[bool(a)]
}
func (a vlanFlag[B]) encode() []byte {
	var b B
	bits := uint32(0)
	if a {
		bits = b.bit()
	}
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, bits), b.bit())
}
func (a *vlanFlag[B]) decode(data []byte) {
	var b B
	*a = len(data) >= 4 && vlanFlag[B](binary.NativeEndian.Uint32(data)&b.bit() != 0)
}

// boolOpt is one bit of a struct br_boolopt_multi, which is laid out as that.
type boolOpt[B bit] bool

func (boolOpt[B]) ArgType() string         { return "bool" }
func (a boolOpt[B]) encode() []byte        { return vlanFlag[B](a).encode() }
func (a *boolOpt[B]) decode(data []byte)   { (*vlanFlag[B])(a).decode(data) }
func (a boolOpt[B]) ip(word string) string { return onOff[width8](a).ip(word) }
func (a boolOpt[B]) value() starlark.Value { return starlark.Bool(a) }
