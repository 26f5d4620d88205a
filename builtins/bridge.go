package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "bridge", Prefix: "br", Args: &bridgeArgs{}, Port: &bridgePortArgs{},
	Doc: "Makes a bridge: an Ethernet switch between the links that are its ports. " +
		"Left to itself it takes its mac and mtu from them."})

type bridgeArgs struct {
	NS    nsArg     `arg:"ns" doc:"namespace that it is in"`
	_     struct{}  `arg:"*"`
	Ports []linkArg `arg:"ports?" doc:"links of the namespace that become its ports"`
	newLinkArgs
	STP             *onOff[width32]                   `arg:"stp_state?" nla:"5" set:"states" doc:"whether it runs the spanning tree protocol (IEEE 802.1D)"`
	ForwardDelay    *bridgeTime                       `arg:"forward_delay?" nla:"1" set:"yes" doc:"how long a port listens, and then learns, before it forwards; \"15s\" when left out"`
	HelloTime       *bridgeTime                       `arg:"hello_time?" nla:"2" set:"yes" doc:"time between the messages of the root bridge, \"1s\" to \"10s\"; \"2s\" when left out"`
	MaxAge          *bridgeTime                       `arg:"max_age?" nla:"3" set:"yes" doc:"how long another bridge's message is believed, \"6s\" to \"40s\"; \"20s\" when left out"`
	AgeingTime      *bridgeTime                       `arg:"ageing_time?" nla:"4" set:"yes" doc:"how long a learned address is kept; \"5m\" when left out"`
	Priority        *whole[width16]                   `arg:"priority?" nla:"6" set:"yes" doc:"its priority to become the root bridge: the lowest does; 32768 when left out"`
	GroupFwdMask    *whole[width16]                   `arg:"group_fwd_mask?" nla:"9" set:"yes" doc:"which link-local groups (01:80:c2:00:00:0X) it forwards, a bit each; 0 when left out"`
	GroupAddress    *macAttr                          `arg:"group_address?" nla:"20" set:"yes" doc:"group that messages of its spanning tree go to; 01:80:c2:00:00:00 when left out"`
	NoLinklocal     *boolOpt[bit0]                    `arg:"no_linklocal_learn?" nla:"46" set:"yes" doc:"whether it learns no address from frames to link-local groups; False when left out"`
	VLANFiltering   *onOff[width8]                    `arg:"vlan_filtering?" nla:"7" set:"yes" with:"46" needs:"bridge_vlan" doc:"whether ports forward only the vlans that they have; False when left out"`
	VLANProtocol    *oneOf[vlanProtocols, widthBig16] `arg:"vlan_protocol?" nla:"8" set:"yes" needs:"bridge_vlan" doc:"tag of its vlans: 802.1Q (C-VLAN) or 802.1ad (S-VLAN); 802.1Q when left out"`
	DefaultPVID     *whole[widthVLAN]                 `arg:"vlan_default_pvid?" nla:"39" set:"yes" needs:"bridge_vlan" doc:"vlan that a new port gets, 0 for none; 1 when left out"`
	VLANStats       *onOff[width8]                    `arg:"vlan_stats_enabled?" nla:"41" set:"yes" needs:"bridge_vlan" doc:"whether it counts packets of each vlan; False when left out"`
	VLANStatsPort   *onOff[width8]                    `arg:"vlan_stats_per_port?" nla:"45" set:"yes" needs:"bridge_vlan" doc:"whether it counts them of each port, too; False when left out"`
	McastSnooping   *onOff[width8]                    `arg:"mcast_snooping?" nla:"23" set:"yes" doc:"whether it sends to groups only where somebody listens; True when left out"`
	McastVLAN       *boolOpt[bit1]                    `arg:"mcast_vlan_snooping?" nla:"46" set:"yes" needs:"bridge_vlan" doc:"whether it does that in each vlan apart; False when left out"`
	MST             *boolOpt[bit2]                    `arg:"mst_enabled?" nla:"46" set:"yes" needs:"bridge_vlan" doc:"whether vlans have spanning trees of their own (IEEE 802.1Q MSTP); False when left out"`
	McastRouter     *whole[width8]                    `arg:"mcast_router?" nla:"22" set:"yes" doc:"whether packets to all groups are for the bridge itself: 0 never, 1 while a router is heard there, 2 always; 1 when left out"`
	McastIfaddr     *onOff[width8]                    `arg:"mcast_query_use_ifaddr?" nla:"24" set:"yes" doc:"whether its queries come from its own IPv4 address, not 0.0.0.0; False when left out"`
	McastQuerier    *onOff[width8]                    `arg:"mcast_querier?" nla:"25" set:"yes" doc:"whether it asks who listens to which group; False when left out"`
	McastHashMax    *whole[width32]                   `arg:"mcast_hash_max?" nla:"27" set:"yes" doc:"how many groups it knows at most; 4096 when left out"`
	McastLastCount  *whole[width32]                   `arg:"mcast_last_member_count?" nla:"28" set:"yes" doc:"how often it asks after the last listener of a group has left; 2 when left out"`
	McastStartCount *whole[width32]                   `arg:"mcast_startup_query_count?" nla:"29" set:"yes" doc:"how many queries it begins with; 2 when left out"`
	McastLastIntvl  *bridgeTime64                     `arg:"mcast_last_member_interval?" nla:"30" set:"yes" doc:"time between those for the last listener; \"1s\" when left out"`
	McastMemIntvl   *bridgeTime64                     `arg:"mcast_membership_interval?" nla:"31" set:"yes" doc:"how long a listener is believed; \"4m20s\" when left out"`
	McastQrierIntvl *bridgeTime64                     `arg:"mcast_querier_interval?" nla:"32" set:"yes" doc:"how long another querier is believed; \"4m15s\" when left out"`
	McastQueryIntvl *bridgeQueryTime                  `arg:"mcast_query_interval?" nla:"33" set:"yes" doc:"time between its queries, \"1s\" or more; \"2m5s\" when left out"`
	McastRespIntvl  *bridgeTime64                     `arg:"mcast_query_response_interval?" nla:"34" set:"yes" doc:"how long listeners may take to answer; \"10s\" when left out"`
	McastStartIntvl *bridgeQueryTime                  `arg:"mcast_startup_query_interval?" nla:"35" set:"yes" doc:"time between the queries that it begins with, \"1s\" or more; \"31.25s\" when left out"`
	McastStats      *onOff[width8]                    `arg:"mcast_stats_enabled?" nla:"42" set:"yes" doc:"whether it counts messages about groups; False when left out"`
	IGMPVersion     *whole[width8]                    `arg:"mcast_igmp_version?" nla:"43" set:"yes" doc:"version of its IGMP queries, 2 or 3; 2 when left out"`
	MLDVersion      *whole[width8]                    `arg:"mcast_mld_version?" nla:"44" set:"yes" doc:"version of its MLD queries, 1 or 2; 1 when left out"`
	NFCallIP        *onOff[width8]                    `arg:"nf_call_iptables?" nla:"36" set:"yes" needs:"bridge_netfilter" doc:"whether IPv4 packets that it forwards go through the rules of IPv4; False when left out"`
	NFCallIP6       *onOff[width8]                    `arg:"nf_call_ip6tables?" nla:"37" set:"yes" needs:"bridge_netfilter" doc:"whether IPv6 packets go through those of IPv6; False when left out"`
	NFCallARP       *onOff[width8]                    `arg:"nf_call_arptables?" nla:"38" set:"yes" needs:"bridge_netfilter" doc:"whether ARP packets go through those of ARP; False when left out"`

	BridgeID     *bridgeID       `info:"bridge_id" nla:"11" doc:"its priority and mac, by which the root bridge is chosen"`
	RootID       *bridgeID       `info:"root_id" nla:"10" doc:"that of the root bridge"`
	RootPort     *bridgePort     `info:"root_port" nla:"12" doc:"the link that leads to it; None on the root bridge itself"`
	RootPathCost *whole[width32] `info:"root_path_cost" nla:"13" doc:"the cost of that way"`
	Topology     *onOff[width8]  `info:"topology_change" nla:"14" doc:"whether the tree is changing"`
	Detected     *onOff[width8]  `info:"topology_change_detected" nla:"15" doc:"whether it was this bridge that noticed"`
}

type (
	bridgeTime      = lasting[inCentiseconds, width32]
	bridgeTime64    = lasting[inCentiseconds, width64]
	bridgeQueryTime = lasting[inCentiseconds, widthQuery] // what is less the kernel makes 1 s
	widthQuery      struct{}
)

func (widthQuery) width() (size, least, most int, big bool) { return 8, 100, 1<<63 - 1, false }

func (a *bridgeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeMaster(tx, a.NS.NSRef, a, &a.newLinkArgs, a.Ports)
}
