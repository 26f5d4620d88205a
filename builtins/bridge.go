package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "bridge", Prefix: "br", Args: &bridgeArgs{},
	Doc: "Makes a bridge: an Ethernet switch between the links that are its ports. " +
		"Left to itself it takes its mac and mtu from them."})

type bridgeArgs struct {
	NS    nsArg     `arg:"ns" doc:"namespace that it is in"`
	_     struct{}  `arg:"*"`
	Ports []linkArg `arg:"ports?" doc:"links of the namespace that become its ports"`
	newLinkArgs
	STP            *onOff[width32] `arg:"stp_state?" nla:"5" set:"states" doc:"whether it runs the spanning tree protocol (IEEE 802.1D)"`
	ForwardDelay   *bridgeTime     `arg:"forward_delay?" nla:"1" set:"yes" doc:"how long a port listens, and then learns, before it forwards; \"15s\" when left out"`
	HelloTime      *bridgeTime     `arg:"hello_time?" nla:"2" set:"yes" doc:"time between the messages of the root bridge; \"2s\" when left out"`
	MaxAge         *bridgeTime     `arg:"max_age?" nla:"3" set:"yes" doc:"how long another bridge's message is believed; \"20s\" when left out"`
	AgeingTime     *bridgeTime     `arg:"ageing_time?" nla:"4" set:"yes" doc:"how long a learned address is kept; \"5m\" when left out"`
	Priority       *whole[width16] `arg:"priority?" nla:"6" set:"yes" doc:"its priority to become the root bridge: the lowest does"`
	VLANFiltering  *onOff[width8]  `arg:"vlan_filtering?" nla:"7" set:"yes" doc:"whether ports forward only the vlans that they have"`
	MulticastSnoop *onOff[width8]  `arg:"mcast_snooping?" nla:"23" set:"yes" doc:"whether it sends to groups only where somebody listens"`
	MulticastQuery *onOff[width8]  `arg:"mcast_querier?" nla:"25" set:"yes" doc:"whether it asks who listens to which group"`
	GroupFwdMask   *whole[width16] `arg:"group_fwd_mask?" nla:"9" set:"yes" doc:"which link-local groups (01:80:c2:00:00:0X) it forwards, a bit each"`
}

// bridgeTime is a time of a bridge, which it counts in 1/100 s.
type bridgeTime = lasting[inCentiseconds, width32]

func (a *bridgeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeMaster(tx, a.NS.NSRef, a, &a.newLinkArgs, a.Ports)
}
