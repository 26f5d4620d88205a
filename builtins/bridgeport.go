package builtins

import (
	"encoding/binary"
	"fmt"
	"net"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// bridgePortArgs is what a port of a bridge can be set to (bridge(8), ip-link(8)'s bridge_slave).
type bridgePortArgs struct {
	State         *portState                `arg:"state?" nla:"1" set:"yes" doc:"whether it forwards: listening, learning, forwarding; or disabled and blocking, which it cannot be set to. It can be set while it is up and the bridge runs no spanning tree protocol, and lasts until it goes down"`
	Priority      *whole[widthPortPriority] `arg:"priority?" nla:"2" set:"yes" doc:"its priority to become a way to the root bridge, 0 to 63: the lowest does; 32 when left out"`
	Cost          *whole[widthPortCost]     `arg:"cost?" nla:"3" set:"yes" doc:"cost of the way through it, 1 to 65535; by its speed when left out"`
	Hairpin       *switched                 `arg:"hairpin?" nla:"4" set:"yes" doc:"whether frames go out where they came in; False when left out"`
	Guard         *switched                 `arg:"guard?" nla:"5" set:"yes" doc:"whether it is disabled by a message of the spanning tree protocol; False when left out"`
	RootBlock     *switched                 `arg:"root_block?" nla:"6" set:"yes" doc:"whether it leads to no root bridge; False when left out"`
	FastLeave     *switched                 `arg:"fastleave?" nla:"7" set:"yes" doc:"whether a listener that leaves a group was the last one there; False when left out"`
	Learning      *switched                 `arg:"learning?" nla:"8" set:"yes" doc:"whether it learns which address is behind it; True when left out"`
	Flood         *switched                 `arg:"flood?" nla:"9" set:"yes" doc:"whether frames to unknown addresses go out there; True when left out"`
	ProxyARP      *switched                 `arg:"proxy_arp?" nla:"10" set:"yes" doc:"whether the bridge answers ARP there for others whom it knows; False when left out"`
	ProxyARPWifi  *switched                 `arg:"proxy_arp_wifi?" nla:"12" set:"yes" doc:"whether it does so as IEEE 802.11 has it; False when left out"`
	McastRouter   *whole[width8]            `arg:"mcast_router?" nla:"25" set:"yes" doc:"whether a multicast router is behind it: 0 never, 1 while one is heard, 2 always, 3 for a time; 1 when left out"`
	McastFlood    *switched                 `arg:"mcast_flood?" nla:"27" set:"yes" doc:"whether packets to unknown groups go out there; True when left out"`
	BcastFlood    *switched                 `arg:"bcast_flood?" nla:"30" set:"yes" doc:"whether broadcasts go out there; True when left out"`
	McastToUcast  *switched                 `arg:"mcast_to_unicast?" nla:"28" set:"yes" doc:"whether packets to a group go to each listener by itself; False when left out"`
	GroupFwdMask  *whole[width16]           `arg:"group_fwd_mask?" nla:"31" set:"yes" doc:"which link-local groups (01:80:c2:00:00:0X) it lets out, a bit each; 0 when left out"`
	NeighSuppress *switched                 `arg:"neigh_suppress?" nla:"32" set:"yes" doc:"whether the bridge answers ARP and neighbour solicitation for those behind it, of whom it was told; False when left out"`
	VLANTunnel    *switched                 `arg:"vlan_tunnel?" nla:"29" set:"yes" drops:"bridge_vlan/3" needs:"bridge_vlan" doc:"whether its vlans are tunnels of the vxlan that it is; False when left out"`
	Isolated      *switched                 `arg:"isolated?" nla:"33" set:"yes" doc:"whether frames from it go to no other isolated port; False when left out"`
	Locked        *switched                 `arg:"locked?" nla:"39" set:"yes" doc:"whether it takes frames only from those whom the bridge was told of (IEEE 802.1X); False when left out"`
	MAB           *switched                 `arg:"mab?" nla:"40" set:"yes" doc:"whether a locked port notes the addresses of others for authentication; False when left out"`
	BackupPort    *besideAttr               `arg:"backup_port?" nla:"34" set:"yes" ip:"backup_port|nobackup_port" doc:"port by which its frames leave while it has no carrier; False for none"`

	PortNo           *whole[width16] `info:"port_no" nla:"18" doc:"its number in the bridge"`
	PortID           *whole[width16] `info:"port_id" nla:"17" doc:"its priority and number"`
	DesignatedRoot   *bridgeID       `info:"designated_root" nla:"13" doc:"the root bridge as it is heard of there"`
	DesignatedBridge *bridgeID       `info:"designated_bridge" nla:"14" doc:"the bridge that leads to it from there"`
	DesignatedPort   *whole[width16] `info:"designated_port" nla:"15" doc:"that bridge's port"`
	DesignatedCost   *whole[width16] `info:"designated_cost" nla:"16" doc:"the cost of the way from there"`
}

type (
	widthPortPriority struct{}
	widthPortCost     struct{}
)

func (widthPortPriority) width() (size, least, most int, big bool) { return 2, 0, 63, false }
func (widthPortCost) width() (size, least, most int, big bool)     { return 4, 1, 1<<16 - 1, false }

// portState is BR_STATE_DISABLED and so on (linux/if_bridge.h), which ip-link(8) takes as a number.
type portState struct{ oneOf[portStates, width8] }

type portStates struct{}

const blocking = 4

func (portStates) words() map[string]int {
	return map[string]int{"disabled": 0, "listening": 1, "learning": 2, "forwarding": 3, "blocking": blocking}
}

// Choices are the states that last when they are set: without the spanning tree protocol a port that is blocking
// forwards at once, and one that is disabled when the kernel next looks at its carrier.
func (a portState) Choices(voc *runtime.Vocabulary) []string { return a.oneOf.Choices(voc)[1:blocking] }

func (a *portState) Unpack(val starlark.Value) error {
	s, err := choice(val, a.Choices(nil))
	a.oneOf = oneOf[portStates, width8](s)
	return err
}

func (a portState) ip(word string) string { return word + " " + itoa(int(a.encode()[0])) }

// bridgeID is a bridge's priority and mac (IEEE 802.1D).
type bridgeID [8]byte

func (bridgeID) ArgType() string         { return "string" }
func (a bridgeID) encode() []byte        { return a[:] }
func (a *bridgeID) decode(data []byte)   { copy(a[:], data) }
func (a bridgeID) ip(word string) string { return word + " " + a.String() }
func (a bridgeID) value() starlark.Value { return starlark.String(a.String()) }
func (a bridgeID) String() string {
	return fmt.Sprintf("%04x.%s", binary.BigEndian.Uint16(a[:]), net.HardwareAddr(a[2:]))
}

// bridgePort is a port by its number in the bridge.
type bridgePort struct{ whole[width16] }

func (a *bridgePort) valueOn(v *runtime.View, br *kernel.Link) (starlark.Value, error) {
	ports, err := portsOf(v, br)
	for _, p := range ports {
		no := portKinds[br.Kind].word("port_no").read(p.PortInfo)
		if no != nil && no.value().String() == a.value().String() {
			return &linkValue{v, p.LinkRef}, err
		}
	}
	return starlark.None, err
}

// portsOf lists the ports of a link.
func portsOf(v *runtime.View, master *kernel.Link) (ports []*kernel.Link, err error) {
	n, err := v.Machine().Namespace(master.NS)
	if err != nil {
		return nil, err
	}
	links, err := n.Links()
	for _, l := range links {
		if l.Master == master.Index {
			ports = append(ports, l)
		}
	}
	return ports, err
}
