package builtins

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// Actions that change packets, or what the kernel keeps of them (tc-vlan(8), tc-skbedit(8), tc-csum(8)).
var (
	vlanAction = declareTC(tcKind{Name: "vlan", Args: &vlanActionArgs{Control: controls["pipe"]},
		Sizes: map[int]int{2: 24}, Module: "act_vlan", Config: "NET_ACT_VLAN",
		Doc: "Adds a vlan tag to the packet, changes it or takes it away", Eg: "mode=push, id=5"})
	skbeditAction = declareTC(tcKind{Name: "skbedit", Args: &skbeditArgs{Control: controls["pipe"]},
		Sizes: map[int]int{2: 20}, Module: "act_skbedit", Config: "NET_ACT_SKBEDIT",
		Doc: "Changes what the kernel keeps of the packet: its class, its queue, its mark", Eg: "mark=1, control=pipe"})
	csumAction = declareTC(tcKind{Name: "csum", Args: &csumArgs{}, Sizes: map[int]int{1: 24},
		Module: "act_csum", Config: "NET_ACT_CSUM", Eg: "of=tcp",
		Doc: "Makes checksums of the packet right, after it was changed"})
)

type vlanActionArgs struct {
	Mode     bareOf[vlanModes, width32] `arg:"mode" nla:"2+20" doc:"push (one more tag), pop (take it away), or modify; push_eth and pop_eth are of Ethernet's header"`
	_        struct{}                   `arg:"*"`
	Protocol *etherType                 `arg:"protocol?" nla:"4" doc:"802.1q (when left out) or 802.1ad"`
	ID       *whole[width16]            `arg:"id?" nla:"3" zero:"yes" doc:"id of the vlan, 0 to 4095, with push and modify"`
	Priority *whole[width8]             `arg:"priority?" nla:"6" zero:"yes" doc:"priority in the tag, 0 to 7"`
	DstMAC   *macAttr                   `arg:"dst_mac?" nla:"7" doc:"link-layer address that it goes to, with push_eth"`
	SrcMAC   *macAttr                   `arg:"src_mac?" nla:"8" doc:"link-layer address that it comes from, with push_eth"`
	Control  control                    `arg:"control?" nla:"2+8" zero:"yes" doc:"what becomes of it then: pipe (the next action), ok, drop, reclassify, continue or \"goto chain 7\""`
}

type vlanModes struct{}

func (vlanModes) words() map[string]int {
	return map[string]int{"pop": 1, "push": 2, "modify": 3, "pop_eth": 4, "push_eth": 5}
}

func (a *vlanActionArgs) Query(*runtime.View) (starlark.Value, error) {
	tag := a.Mode.oneOf == "push" || a.Mode.oneOf == "modify"
	switch eth := a.Mode.oneOf == "push_eth"; {
	case tag && a.ID == nil:
		return nil, fmt.Errorf("action.vlan: %s needs id=", a.Mode.oneOf)
	case !tag && (a.ID != nil || a.Protocol != nil || a.Priority != nil):
		return nil, fmt.Errorf("action.vlan: id=, protocol= and priority= are of push and modify, not of %s",
			a.Mode.oneOf)
	case eth != (a.DstMAC != nil) || eth != (a.SrcMAC != nil):
		return nil, errors.New("action.vlan: dst_mac= and src_mac= are of push_eth, which needs both")
	case a.ID != nil && *a.ID > 4095 || a.Priority != nil && *a.Priority > 7:
		return nil, errors.New("action.vlan: want an id= up to 4095, and a priority= up to 7")
	}
	return newAction(vlanAction, a)
}

type skbeditArgs struct {
	_        struct{}                     `arg:"*"`
	Queue    *whole[width16]              `arg:"queue_mapping?" nla:"4" zero:"yes" doc:"queue of the link that it leaves by"`
	Priority *tcHandle                    `arg:"priority?" nla:"3" zero:"yes" doc:"its class, whatever filters say, \"1:10\""`
	Mark     *markArg                     `arg:"mark?" nla:"5,8" zero:"yes" doc:"its mark: 7, or some bits of it: \"0x1/0xff\""`
	PType    *oneOf[packetTypes, width16] `arg:"ptype?" nla:"7" zero:"yes" doc:"whom it is for: host, otherhost, broadcast, multicast"`
	Control  control                      `arg:"control?" nla:"2+8" zero:"yes" doc:"what becomes of it then: pipe (the next action), ok, drop, reclassify, continue or \"goto chain 7\""`
}

// packetTypes are PACKET_HOST and its like (linux/if_packet.h).
type packetTypes struct{}

func (packetTypes) words() map[string]int {
	return map[string]int{"host": 0, "broadcast": 1, "multicast": 2, "otherhost": 3}
}

func (a *skbeditArgs) Query(*runtime.View) (starlark.Value, error) {
	if a.Queue == nil && a.Priority == nil && a.Mark == nil && a.PType == nil {
		return nil, errors.New("action.skbedit: want queue_mapping=, priority=, mark= or ptype=")
	}
	return newAction(skbeditAction, a)
}

type csumArgs struct {
	Of      csumOf   `arg:"of" nla:"1+20" doc:"whose: ip4h, icmp, igmp, tcp, udp, udplite, sctp"`
	_       struct{} `arg:"*"`
	Control control  `arg:"control?" nla:"1+8" zero:"yes" doc:"what becomes of it then: ok (when left out), pipe (the next action), drop, reclassify, continue or \"goto chain 7\""`
}

// csumOf are TCA_CSUM_UPDATE_FLAG_*.
type csumOf uint32

var csums = []string{"ip4h", "icmp", "igmp", "tcp", "udp", "udplite", "sctp"}

func (csumOf) ArgType() string       { return "string or list of string" }
func (a csumOf) encode() []byte      { return encodeNumber[width32](int(a)) }
func (a *csumOf) decode(data []byte) { *a = csumOf(decodeNumber[width32](data)) }
func (a csumOf) words() (all []string) {
	for i, word := range csums {
		if a>>i&1 != 0 {
			all = append(all, word)
		}
	}
	return all
}
func (a csumOf) ip(string) string      { return strings.Join(a.words(), " and ") }
func (a csumOf) value() starlark.Value { return stringList(a.words()) }
func (a *csumOf) Unpack(val starlark.Value) error {
	all, err := stringsOf(val)
	if err != nil {
		return err
	}
	for _, s := range all {
		word, err := choice(starlark.String(s), csums)
		if err != nil {
			return err
		}
		for i := range csums {
			if csums[i] == word {
				*a |= 1 << i
			}
		}
	}
	if *a == 0 {
		return errors.New("want one at least")
	}
	return nil
}

func (a *csumArgs) Query(*runtime.View) (starlark.Value, error) { return newAction(csumAction, a) }
