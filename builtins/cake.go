package builtins

import "go.starlark.net/starlark"

// cakeQdisc is a rate, short queues and fair ones in one (tc-cake(8)).
var cakeQdisc = declareTC(tcKind{Name: "cake", Args: &cakeArgs{},
	Doc: "lets a rate through, fairly by hosts and flows, with short queues"})

type cakeArgs struct {
	Bandwidth *rateIn[width64]                 `arg:"bandwidth?" nla:"2" doc:"the rate: \"10mbit\"; none when left out"`
	Ingress   *cakeFlag[cakeIngress]           `arg:"ingress?" nla:"15" zero:"yes" doc:"count what it drops, too, as on a link that packets have passed already"`
	Priority  *bareOf[cakeModes, width32]      `arg:"priority?" nla:"3" zero:"yes" doc:"classes by DSCP: besteffort (one), precedence, diffserv3, diffserv4, diffserv8"`
	Flow      *bareOf[cakeFlows, width32]      `arg:"isolation?" nla:"5" zero:"yes" doc:"what is fair to what: flowblind, srchost, dsthost, hosts, flows, dual-srchost, dual-dsthost, triple-isolate"`
	NAT       *cakeFlag[cakeNAT]               `arg:"nat?" nla:"11" zero:"yes" doc:"tell hosts apart by their addresses before NAT"`
	Wash      *cakeFlag[cakeWash]              `arg:"wash?" nla:"13" zero:"yes" doc:"clear the DSCP of packets"`
	Ack       *bareOf[cakeACKs, width32]       `arg:"ack_filter?" nla:"16" zero:"yes" doc:"drop ACKs that later ones make needless: no-ack-filter, ack-filter, ack-filter-aggressive"`
	SplitGSO  *cakeFlag[cakeSplit]             `arg:"split_gso?" nla:"17" zero:"yes" doc:"take large packets of the host apart"`
	RTT       *tcTime[inMicroseconds, width32] `arg:"rtt?" nla:"7" doc:"time there and back that it is for: \"100ms\""`
	Overhead  *signed                          `arg:"overhead?" nla:"6" doc:"bytes that each packet counts more"`
	MPU       *whole[width32]                  `arg:"mpu?" nla:"14" doc:"least bytes that a packet counts"`
	Memory    *sizeIn[width32]                 `arg:"memlimit?" nla:"10" doc:"memory for packets: \"4mb\""`
}

type (
	cakeModes   struct{} // CAKE_DIFFSERV_*
	cakeFlows   struct{} // CAKE_FLOW_*
	cakeACKs    struct{} // CAKE_ACK_*
	cakeIngress struct{}
	cakeNAT     struct{}
	cakeWash    struct{}
	cakeSplit   struct{}
)

func (cakeModes) words() map[string]int {
	return map[string]int{"diffserv3": 0, "diffserv4": 1, "diffserv8": 2, "besteffort": 3, "precedence": 4}
}
func (cakeFlows) words() map[string]int {
	return map[string]int{"flowblind": 0, "srchost": 1, "dsthost": 2, "hosts": 3, "flows": 4, "dual-srchost": 5,
		"dual-dsthost": 6, "triple-isolate": 7}
}
func (cakeACKs) words() map[string]int {
	return map[string]int{"no-ack-filter": 0, "ack-filter": 1, "ack-filter-aggressive": 2}
}

// A cakeWord is how tc-cake(8) says that something is so, and that it is not.
type cakeWord interface{ said() (yes, no string) }

func (cakeIngress) said() (yes, no string) { return "ingress", "egress" }
func (cakeNAT) said() (yes, no string)     { return "nat", "nonat" }
func (cakeWash) said() (yes, no string)    { return "wash", "nowash" }
func (cakeSplit) said() (yes, no string)   { return "split-gso", "no-split-gso" }

// cakeFlag is one of two words.
type cakeFlag[W cakeWord] struct{ onOff[width32] }

func (a *cakeFlag[W]) Unpack(val starlark.Value) error {
	b, ok := val.(starlark.Bool)
	if !ok {
		return want("bool", val)
	}
	a.onOff = onOff[width32](b)
	return nil
}

func (a cakeFlag[W]) ip(string) string {
	var w W
	yes, no := w.said()
	return map[bool]string{true: yes, false: no}[bool(a.onOff)]
}

// bareOf is one of a few words, which tc(8) takes without another one before it.
type bareOf[S wordSet, W width] struct{ oneOf[S, W] }

func (a bareOf[S, W]) ip(string) string { return string(a.oneOf) }
