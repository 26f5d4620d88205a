package kernel

import (
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Kind is what is known of one kind of link beyond what all links have. Links of a kind that has no row can be
// changed and restored, and stand on the link of their IFLA_LINK.
type Kind struct {
	Name  string   // IFLA_INFO_KIND, and ip-link(8)'s word
	Peer  int      // which part of its IFLA_INFO_DATA makes the other end of a pair; 0: it has none
	First int      // which part of it is 0 for the second end of a pair; 0: both are alike
	Lower standing // what it stands on
	// Which parts of its IFLA_INFO_DATA the kernel only shows: ids, timers, counters.
	Shown []int
	Needs []int // which parts a new one cannot be made without, or is another one without
	Flags []int // which parts are shown as 0 or 1, and are given by being there
	// Which parts are bits with a mask: those are given that are other than in a new link.
	Masked []int
	Shared []int          // which parts all links of such kinds have in common that stand on the same link
	Lost   map[int]string // which parts that are not zero cannot be given back, and what they are
	// The part that the defaults of the others depend on.
	Mode int
	// Which parts name ports, and are given when these are there.
	AfterPorts []int
	Ports      *Ports // what its ports are; nil: it has none, or they are not known
	// The family of generic netlink that has its attributes instead of IFLA_INFO_DATA; nil: there is none.
	Generic *generic
	FDB     bool // it has a forwarding table of its own (NTF_SELF)
	Late    bool // it begins without a carrier, and its state is unknown until the kernel has acted on that
	Whole   bool // a change of one part resets those that it does not name
	Queues  bool // a new one has as many queues as the machine can have processors, and uses one
	Device  int  // the kernel makes it for whoever opens /dev/net/tun with this flag; 0: over netlink
	Rules   bool // the first one of a namespace adds rules there, which stay when it is deleted
	Made    bool // links of it are made, and made again: all else that they are is in the other fields
}

// Ports is what is known of the ports of one kind of master.
type Ports struct {
	Shown []int    // which parts of their IFLA_INFO_SLAVE_DATA the kernel only shows
	Gives []string // the attributes that the master takes from its ports, unless it is given them
	// The default vlan of its ports, and whether it runs the spanning tree protocol, in the master's IFLA_INFO_DATA.
	PVID, STP int
	// A port that is up goes down and up again when it joins or leaves.
	Reopened bool
	// The delay before a port forwards, in 1/100 s, which the kernel brings between 2 and 30 s when STP is switched on.
	Delay int
	// Whether only a link that is down can become one: the master sets it up and gives it its mac and mtu, and takes
	// that back when it leaves.
	Opens bool
	MAC   int // the mac that a port has again then, in its IFLA_INFO_SLAVE_DATA
}

// routed are tunnels, whose IFLA_INFO_DATA has the lower link as its first attribute.
var routed = standing{data: []int{nl.IFLA_GRE_LINK}, outlives: Deleted, here: true}

// What tunnels cannot be made without where another one has the same: their ends, and what tells them apart.
var (
	greEnds = []int{nl.IFLA_GRE_IFLAGS, nl.IFLA_GRE_OFLAGS, nl.IFLA_GRE_IKEY, nl.IFLA_GRE_OKEY, nl.IFLA_GRE_LOCAL,
		nl.IFLA_GRE_REMOTE}
	iptunEnds = []int{nl.IFLA_IPTUN_LOCAL, nl.IFLA_IPTUN_REMOTE}
	vtiEnds   = []int{nl.IFLA_VTI_IKEY, nl.IFLA_VTI_OKEY, nl.IFLA_VTI_LOCAL, nl.IFLA_VTI_REMOTE}
)

// kinds has one row a kind. Its numbers are those of linux/if_link.h and linux/if_tunnel.h. The first stands for any
// link that another one could stand on.
var kinds = []Kind{
	{Name: "veth", Made: true, Peer: nl.VETH_INFO_PEER, Lower: standing{none: true}, Late: true, Queues: true},
	{Name: "bridge", Made: true, Masked: []int{46 /* IFLA_BR_MULTI_BOOLOPT */}, Lower: standing{none: true}, Late: true,
		Shown: []int{nl.IFLA_BR_ROOT_ID, nl.IFLA_BR_BRIDGE_ID, nl.IFLA_BR_ROOT_PORT, nl.IFLA_BR_ROOT_PATH_COST,
			nl.IFLA_BR_TOPOLOGY_CHANGE, nl.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, nl.IFLA_BR_HELLO_TIMER,
			nl.IFLA_BR_TCN_TIMER, nl.IFLA_BR_TOPOLOGY_CHANGE_TIMER, nl.IFLA_BR_GC_TIMER,
			47 /* IFLA_BR_MCAST_QUERIER_STATE */, 48 /* IFLA_BR_FDB_N_LEARNED */},
		Ports: &Ports{Gives: []string{"mtu", "mac"}, PVID: nl.IFLA_BR_VLAN_DEFAULT_PVID, STP: nl.IFLA_BR_STP_STATE,
			Delay: nl.IFLA_BR_FORWARD_DELAY,
			Shown: []int{nl.IFLA_BRPORT_STATE, nl.IFLA_BRPORT_ROOT_ID, nl.IFLA_BRPORT_BRIDGE_ID,
				nl.IFLA_BRPORT_DESIGNATED_PORT, nl.IFLA_BRPORT_DESIGNATED_COST, nl.IFLA_BRPORT_ID, nl.IFLA_BRPORT_NO,
				nl.IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, nl.IFLA_BRPORT_CONFIG_PENDING, nl.IFLA_BRPORT_MESSAGE_AGE_TIMER,
				nl.IFLA_BRPORT_FORWARD_DELAY_TIMER, nl.IFLA_BRPORT_HOLD_TIMER, nl.IFLA_BRPORT_MRP_RING_OPEN,
				nl.IFLA_BRPORT_MRP_IN_OPEN, nl.IFLA_BRPORT_MCAST_EHT_HOSTS_CNT, nl.IFLA_BRPORT_MCAST_N_GROUPS}}},

	{Name: "bond", Made: true, Lower: standing{none: true}, Late: true, Needs: []int{nl.IFLA_BOND_MODE},
		Mode: nl.IFLA_BOND_MODE, AfterPorts: []int{nl.IFLA_BOND_PRIMARY, nl.IFLA_BOND_ACTIVE_SLAVE},
		Shown: []int{nl.IFLA_BOND_AD_INFO},
		// All but IFLA_BOND_SLAVE_QUEUE_ID and IFLA_BOND_SLAVE_PRIO, to the counters of LACP's machines.
		Ports: &Ports{Gives: []string{"mac"}, Opens: true, MAC: nl.IFLA_BOND_SLAVE_PERM_HWADDR,
			Shown: []int{nl.IFLA_BOND_SLAVE_STATE, nl.IFLA_BOND_SLAVE_MII_STATUS,
				nl.IFLA_BOND_SLAVE_LINK_FAILURE_COUNT, nl.IFLA_BOND_SLAVE_PERM_HWADDR,
				nl.IFLA_BOND_SLAVE_AD_AGGREGATOR_ID, 7, 8, 11, 12}}},

	{Name: "dummy", Made: true, Lower: standing{none: true}},
	{Name: "ifb", Made: true, Lower: standing{none: true}},
	// IFLA_MACVLAN_MACADDR_COUNT, IFLA_MACVLAN_BC_QUEUE_LEN_USED
	{Name: "macvlan", Made: true, Lower: standing{outlives: Moved}, Shown: []int{6, 8},
		Lost: map[int]string{nl.IFLA_MACVLAN_MACADDR_DATA: "macaddr"}},
	{Name: "macvtap", Made: true, Lower: standing{outlives: Moved}, Shown: []int{6, 8},
		Lost: map[int]string{nl.IFLA_MACVLAN_MACADDR_DATA: "macaddr"}},
	{Name: "vxlan", Made: true, Lower: standing{data: []int{nl.IFLA_VXLAN_LINK}}, FDB: true,
		Needs: []int{nl.IFLA_VXLAN_ID}, Flags: []int{28}}, // IFLA_VXLAN_TTL_INHERIT

	{Name: "tun", Made: true, Device: unix.IFF_TUN, Lower: standing{none: true}, Flags: tunFlags, Shown: tunShown,
		Needs: tunNeeds},
	{Name: "tap", Made: true, Device: unix.IFF_TAP, Lower: standing{none: true}, Flags: tunFlags, Shown: tunShown,
		Needs: tunNeeds},
	{Name: "geneve", Made: true, Lower: standing{none: true}, Needs: []int{nl.IFLA_GENEVE_ID, nl.IFLA_GENEVE_REMOTE,
		nl.IFLA_GENEVE_REMOTE6}},
	{Name: "nlmon", Made: true, Lower: standing{none: true}},
	{Name: "vlan", Made: true, Lower: standing{outlives: Moved}, Needs: []int{nl.IFLA_VLAN_ID, nl.IFLA_VLAN_PROTOCOL},
		Masked: []int{nl.IFLA_VLAN_FLAGS}},
	// It is not made again: the kernel does not show in which namespace its socket is, and its private key is not kept.
	{Name: "wireguard", Lower: standing{none: true}, Generic: &wireguard},
	// IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS
	{Name: "ipvlan", Made: true, Lower: standing{outlives: Moved}, Shared: []int{1, 2}},
	{Name: "ipvtap", Made: true, Lower: standing{outlives: Moved}, Shared: []int{1, 2}},
	{Name: "hsr", Lower: standing{data: []int{1, 2}}}, // IFLA_HSR_SLAVE1, IFLA_HSR_SLAVE2
	{Name: "amt", Lower: standing{data: []int{4}}},    // IFLA_AMT_LINK

	// Tunnels have the index of the lower link and no more. With equal ends they need different keys.
	{Name: "gre", Made: true, Lower: routed, Whole: true, Needs: greEnds},
	{Name: "gretap", Made: true, Lower: routed, Whole: true, Needs: greEnds},
	{Name: "erspan", Made: true, Lower: routed, Whole: true, Needs: greEnds},
	{Name: "ip6gre", Made: true, Lower: routed, Whole: true, Needs: greEnds},
	{Name: "ip6gretap", Made: true, Lower: routed, Whole: true, Needs: greEnds},
	{Name: "ip6erspan", Lower: routed},
	{Name: "ipip", Made: true, Lower: routed, Whole: true, Needs: iptunEnds},
	{Name: "sit", Made: true, Lower: routed, Whole: true, Needs: iptunEnds},
	{Name: "ip6tnl", Made: true, Lower: routed, Whole: true, Needs: iptunEnds},
	{Name: "vti", Made: true, Lower: routed, Whole: true, Needs: vtiEnds},
	{Name: "vti6", Made: true, Lower: routed, Whole: true, Needs: vtiEnds},
	{Name: "xfrm", Made: true, Lower: routed, Whole: true, Needs: []int{nl.IFLA_XFRM_IF_ID}},

	{Name: "vrf", Made: true, Lower: standing{none: true}, Needs: []int{nl.IFLA_VRF_TABLE}, Rules: true,
		Ports: &Ports{Shown: []int{1 /* IFLA_VRF_PORT_TABLE */}, Reopened: true}},

	// IFLA_NETKIT_PRIMARY says which end is the first.
	{Name: "netkit", Made: true, Peer: 1, First: 2, Shown: []int{2}, Lower: standing{none: true}, Late: true},
	{Name: "vcan", Made: true, Lower: standing{none: true}},
	{Name: "vxcan", Made: true, Peer: 1, Lower: standing{none: true}, Late: true},
	// Neither is made again: the kernel does not show what they were set to, or the keys are not kept.
	{Name: "batadv", Lower: standing{none: true}},
	{Name: "macsec", Lower: standing{outlives: Moved}},
	{Name: "netdevsim", Lower: standing{none: true}},
	{Name: "bareudp", Lower: standing{none: true}},
	{Name: "gtp", Lower: standing{none: true}},
	{Name: "ppp", Lower: standing{none: true}},
}

// kindOf is the row of a kind.
func kindOf(name string) Kind {
	if i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name }); i >= 0 {
		return kinds[i]
	}
	return Kind{Name: name}
}

// Remade reports whether a link of the kind that was deleted can be made again.
func Remade(kind string) bool { return kindOf(kind).Made }

// bridges reports whether links of the kind are bridges.
func (k Kind) bridges() bool { return k.Ports != nil && k.Ports.STP != 0 }

// Opens reports whether masters of the kind take only links that are down, and set them up.
func Opens(kind string) bool {
	ports := kindOf(kind).Ports
	return ports != nil && ports.Opens
}

// gives are the attributes that links of the kind take from their ports unless they are given them.
func (k Kind) gives() []string {
	if k.Ports == nil {
		return nil
	}
	return k.Ports.Gives
}

// Paired reports whether the link is one end of a pair.
func (l *Link) Paired() bool { return kindOf(l.Kind).Peer != 0 }
