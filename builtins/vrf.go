package builtins

import (
	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareKind(linkKind{Name: "vrf", Args: &vrfArgs{}, Config: "NET_VRF",
	Doc: "Makes a vrf link: its ports, and what is sent from it, are routed by a table of their own (ip-vrf(8)). " +
		"A link that is up loses its IPv6 addresses, routes and neighbours when it becomes a port: " +
		"give it those after that."})

type vrfArgs struct {
	NS    nsArg     `arg:"ns" doc:"namespace that it is in"`
	_     struct{}  `arg:"*"`
	Ports []linkArg `arg:"ports?" doc:"links of the namespace that become its ports"`
	newLinkArgs
	Table whole[widthSome] `arg:"table" nla:"1" eg:"4242" doc:"number of its routing table"`
}

// Change also adds the rules that have the tables of VRFs looked into. The kernel does that with the first one of a
// namespace and never again.
func (a *vrfArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	lacking, err := lackingVRFRules(tx.Machine(), a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	for _, family := range lacking {
		if err := tx.Apply(&addEntry{Entry: vrfRule(a.NS.NSRef, family)}); err != nil {
			return nil, err
		}
	}
	return makeMaster(tx, a.NS.NSRef, a, &a.newLinkArgs, a.Ports)
}

// lackingVRFRules are the families that have no rule for VRFs.
func lackingVRFRules(m *kernel.Machine, ns kernel.NSRef) (families []int, err error) {
	n, err := m.Namespace(ns)
	if err != nil {
		return nil, err
	}
	all, err := n.Entries("rule", nil)
	has := map[int]bool{}
	for _, e := range all {
		has[e.Family()] = has[e.Family()] || e.Attr(unix.FRA_L3MDEV) != nil
	}
	for _, family := range []int{4, 6} {
		if !has[family] {
			families = append(families, family)
		}
	}
	return families, err
}

// vrfRule is the rule that the kernel adds by itself, unless it is there with the same protocol.
func vrfRule(ns kernel.NSRef, family int) kernel.Entry {
	e := kernel.Entry{NS: ns, Table: "rule"}
	msg := kernel.Blank(e)
	msg[0], msg[7] = map[int]byte{4: unix.AF_INET, 6: unix.AF_INET6}[family], unix.FR_ACT_TO_TBL
	msg = kernel.AppendAttr(msg, unix.FRA_PRIORITY, encodeNumber[width32](1000))
	msg = kernel.AppendAttr(msg, unix.FRA_L3MDEV, []byte{1})
	msg = kernel.AppendAttr(msg, unix.FRA_TABLE, make([]byte, 4))
	e.Msg = kernel.AppendAttr(msg, unix.FRA_PROTOCOL, []byte{unix.RTPROT_KERNEL})
	return e
}
