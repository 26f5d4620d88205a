package builtins

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareKind(linkKind{Name: "bond", Module: "bonding", Config: "BONDING",
	Args: &bondArgs{}, Port: &bondPortArgs{},
	Doc: "Makes a bond: several links that are one, for more throughput or for when one fails (IEEE 802.1AX). " +
		"It sets its ports up and gives them its mac and mtu; they are down with their own mac when they leave it."})

type bondArgs struct {
	NS    nsArg     `arg:"ns" doc:"namespace that it is in"`
	_     struct{}  `arg:"*"`
	Ports []linkArg `arg:"ports?" doc:"links of the namespace that become its ports, in this order"`
	newLinkArgs
	Mode            *oneOf[bondModes, width8]       `arg:"mode?" nla:"1" eg:"active-backup" doc:"which port sends: balance-rr (each in turn), active-backup (one, until it fails), balance-xor (by xmit_hash_policy), broadcast (all), 802.3ad (as LACP says), balance-tlb (by load), balance-alb (by load, also what comes in); balance-rr when left out"`
	MIIMon          *bondTime                       `arg:"miimon?" nla:"3" set:"yes" with:"7,9" doc:"how often it looks whether its ports have a carrier; \"0s\" is never; \"100ms\" when left out in the last three modes, \"0s\" in the others"`
	UpDelay         *bondTime                       `arg:"updelay?" nla:"4" set:"yes" of:"miimon" doc:"how long a port must have its carrier before it is used, in multiples of miimon; \"0s\" when left out"`
	DownDelay       *bondTime                       `arg:"downdelay?" nla:"5" set:"yes" of:"miimon" doc:"how long it must have none before it is not, in multiples of miimon; \"0s\" when left out"`
	PeerNotifyDelay *bondTime                       `arg:"peer_notify_delay?" nla:"28" set:"yes" of:"miimon" doc:"time between the messages of num_grat_arp, in multiples of miimon; \"0s\" when left out"`
	UseCarrier      *onOff[width8]                  `arg:"use_carrier?" nla:"6" set:"yes" doc:"whether the kernel's carrier is what counts, not the driver's word; True when left out"`
	ARPInterval     *bondTime                       `arg:"arp_interval?" nla:"7" set:"yes" with:"3" doc:"how often it sends ARP requests to see which ports work, instead of miimon; \"0s\", never, when left out"`
	ARPTargets      *bondTargets[is4]               `arg:"arp_ip_target?" nla:"8" set:"yes" doc:"IPv4 addresses that these ask for, one or a list of up to 16"`
	NSTargets       *bondTargets[is6]               `arg:"ns_ip6_target?" nla:"31" set:"yes" doc:"IPv6 addresses that neighbour solicitations ask for, one or a list of up to 16"`
	ARPValidate     *oneOf[bondValidates, width32]  `arg:"arp_validate?" nla:"9" set:"yes" doc:"which ports must hear these requests or their replies, and not just anything: none, active, backup, all, filter, filter_active, filter_backup; none when left out"`
	ARPAllTargets   *oneOf[bondTargetsAll, width32] `arg:"arp_all_targets?" nla:"10" set:"yes" doc:"whether any target has to reply or all; any when left out"`
	ARPMissedMax    *whole[width8]                  `arg:"arp_missed_max?" nla:"30" set:"yes" doc:"how many intervals without a reply a port is given; 2 when left out"`
	ActiveSlave     *besideAttr                     `arg:"active_slave?" nla:"2" set:"yes" after:"ports" ip:"active_slave|clear_active_slave" doc:"port that sends now, in the modes active-backup, balance-tlb and balance-alb; False has the bond choose"`
	Primary         *besideAttr                     `arg:"primary?" nla:"11" set:"yes" after:"ports" ip:"primary|primary ''" doc:"port that sends whenever it can, in these modes; False is none"`
	PrimaryReselect *oneOf[bondReselects, width8]   `arg:"primary_reselect?" nla:"12" set:"yes" doc:"when it takes over again: always, better (if it is faster), failure (of the other one); always when left out"`
	FailOverMAC     *oneOf[bondMACs, width8]        `arg:"fail_over_mac?" nla:"13" set:"yes" doc:"whose mac is whose in the mode active-backup: none (all have the bond's), active (the bond has that of the active port), follow (the active port has the bond's); none when left out"`
	XmitHashPolicy  *oneOf[bondHashes, width8]      `arg:"xmit_hash_policy?" nla:"14" set:"yes" doc:"what of a packet decides by which port it leaves, in the modes balance-xor, 802.3ad and balance-tlb; layer2 when left out"`
	ResendIGMP      *whole[width8of32]              `arg:"resend_igmp?" nla:"15" set:"yes" doc:"how many IGMP reports follow a failure, 0 to 255; 1 when left out"`
	NumGratARP      *whole[width8]                  `arg:"num_grat_arp?" nla:"16" set:"yes" doc:"how many ARP and neighbour messages follow one; 1 when left out"`
	AllSlavesActive *onOff[width8]                  `arg:"all_slaves_active?" nla:"17" set:"yes" doc:"whether frames that come in by ports which do not send are taken; False when left out"`
	MinLinks        *whole[width32]                 `arg:"min_links?" nla:"18" set:"yes" doc:"how many ports must work for the bond to have a carrier; 0, the same as 1, when left out"`
	LPInterval      *lasting[inSeconds, widthSome]  `arg:"lp_interval?" nla:"19" set:"yes" doc:"time between the frames by which switches learn where it is, in whole seconds; \"1s\" when left out"`
	PacketsPerSlave *whole[width16of32]             `arg:"packets_per_slave?" nla:"20" set:"yes" doc:"how many packets each port sends in turn in the mode balance-rr, 0 for a random port; 1 when left out"`
	TLBDynamic      *onOff[width8]                  `arg:"tlb_dynamic_lb?" nla:"27" set:"yes" doc:"whether flows move to other ports by load in the mode balance-tlb; True when left out"`
	LACPActive      *switched                       `arg:"lacp_active?" nla:"29" set:"yes" doc:"whether it sends LACP messages without being asked; True when left out"`
	LACPRate        *oneOf[bondRates, width8]       `arg:"lacp_rate?" nla:"21" set:"yes" doc:"how often it asks for LACP messages: slow (each 30 s) or fast (each second); slow when left out"`
	ADSelect        *oneOf[bondSelects, width8]     `arg:"ad_select?" nla:"22" set:"yes" doc:"when another group of ports is chosen: stable (when the old one is lost), bandwidth or count (when it is better); stable when left out"`
	ADActorSysPrio  *whole[widthSomePrio]           `arg:"ad_actor_sys_prio?" nla:"24" set:"yes" doc:"its priority in LACP, 1 to 65535; 65535 when left out"`
	ADUserPortKey   *whole[widthPortKey]            `arg:"ad_user_port_key?" nla:"25" set:"yes" doc:"a part of its ports' keys in LACP, 0 to 1023; 0 when left out"`
	ADActorSystem   *macAttr                        `arg:"ad_actor_system?" nla:"26" set:"yes" doc:"its mac in LACP; the bond's own when left out"`

	ADInfo *bondADInfo `info:"ad_info" nla:"23" doc:"in the mode 802.3ad, the group of ports that is used: its aggregator, num_ports, actor_key, partner_key and partner_mac"`
}

// bondTime is a time of a bond, in ms.
type bondTime = lasting[inMilliseconds, width32]

func (a *bondArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeMaster(tx, a.NS.NSRef, a, &a.newLinkArgs, a.Ports)
}

// The words are those of ip-link(8), the numbers those of linux/if_bonding.h and the driver's bond_options.c.
type (
	bondModes      struct{}
	bondValidates  struct{}
	bondTargetsAll struct{}
	bondReselects  struct{}
	bondMACs       struct{}
	bondHashes     struct{}
	bondRates      struct{}
	bondSelects    struct{}
	width8of32     struct{}
	width16of32    struct{}
	widthSomePrio  struct{}
	widthPortKey   struct{}
)

func (bondModes) words() map[string]int {
	return inOrder("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
}
func (bondValidates) words() map[string]int {
	return inOrder("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")
}
func (bondTargetsAll) words() map[string]int { return inOrder("any", "all") }
func (bondReselects) words() map[string]int  { return inOrder("always", "better", "failure") }
func (bondMACs) words() map[string]int       { return inOrder("none", "active", "follow") }
func (bondHashes) words() map[string]int {
	return inOrder("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
}
func (bondRates) words() map[string]int   { return inOrder("slow", "fast") }
func (bondSelects) words() map[string]int { return inOrder("stable", "bandwidth", "count") }

// inOrder are words that the kernel numbers from 0.
func inOrder(words ...string) map[string]int {
	all := map[string]int{}
	for i, w := range words {
		all[w] = i
	}
	return all
}

func (width8of32) width() (size, least, most int, big bool)    { return 4, 0, 1<<8 - 1, false }
func (width16of32) width() (size, least, most int, big bool)   { return 4, 0, 1<<16 - 1, false }
func (widthSomePrio) width() (size, least, most int, big bool) { return 2, 1, 1<<16 - 1, false }
func (widthPortKey) width() (size, least, most int, big bool)  { return 2, 0, 1<<10 - 1, false }

// bondTargets are the addresses that a bond asks for, of one family.
type bondTargets[F interface{ family() int }] []netip.Addr

type (
	is4 struct{}
	is6 struct{}
)

func (is4) family() int { return 4 }
func (is6) family() int { return 6 }

// maxTargets is BOND_MAX_ARP_TARGETS and BOND_MAX_NS_TARGETS (net/bonding.h).
const maxTargets = 16

func (bondTargets[F]) ArgType() string { return "address or list of them" }

func (a *bondTargets[F]) Unpack(val starlark.Value) error {
	all, ok := val.(starlark.Iterable)
	if !ok {
		all = starlark.Tuple{val}
	}
	var f F
	*a = nil
	for elem := range starlark.Elements(all) {
		var ip ipArg
		if err := ip.Unpack(elem); err != nil {
			return err
		}
		if familyOf(ip.Addr) != f.family() {
			return fmt.Errorf("%s is no IPv%d address", ip.Addr, f.family())
		}
		*a = append(*a, ip.Addr)
	}
	if len(*a) > maxTargets {
		return fmt.Errorf("%d addresses, a bond takes %d", len(*a), maxTargets)
	}
	return nil
}

func (a bondTargets[F]) encode() []byte {
	data := []byte{}
	for i, ip := range a {
		data = kernel.AppendAttr(data, i, ip.AsSlice())
	}
	return data
}

func (a *bondTargets[F]) decode(data []byte) {
	*a = nil
	for i := range maxTargets {
		if ip, ok := netip.AddrFromSlice(kernel.InfoAttr(data, i)); ok {
			*a = append(*a, ip)
		}
	}
}

func (a bondTargets[F]) list() (all []string) {
	for _, ip := range a {
		all = append(all, ip.String())
	}
	return all
}

func (a bondTargets[F]) ip(word string) string {
	return word + " " + quoted(strings.Join(a.list(), ","))
}
func (a bondTargets[F]) value() starlark.Value { return stringList(a.list()) }

// bondADInfo is what LACP has agreed on.
type bondADInfo []byte

func (bondADInfo) ArgType() string         { return "struct" }
func (a bondADInfo) encode() []byte        { return a }
func (a *bondADInfo) decode(data []byte)   { *a = data }
func (a bondADInfo) ip(word string) string { return word }
func (a bondADInfo) value() starlark.Value {
	fields := starlark.StringDict{"partner_mac": starlark.String(net.HardwareAddr(kernel.InfoAttr(a, 5)).String())}
	for i, name := range []string{"aggregator", "num_ports", "actor_key", "partner_key"} {
		fields[name] = starlark.MakeInt(decodeNumber[width16](kernel.InfoAttr(a, i+1)))
	}
	return newStruct("ad_info", fields)
}
