package builtins

import (
	"bytes"
	"errors"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "xfrm_policy", Command: "ip xfrm policy", Args: &xfrmPolicyArgs{},
	Key:    []string{"src", "dst", "dir"},
	Doc:    "Adds a policy: which packets IPsec protects, or must have protected, and by which states (ip-xfrm(8)).",
	Value:  "A policy of IPsec (ip-xfrm(8)).",
	NSList: "xfrm_policies", ListDoc: "its policies of IPsec (ip-xfrm(8))", Needs: []string{"xfrm-policy"}})

type xfrmPolicyArgs struct {
	NS       nsArg                       `arg:"ns" doc:"the namespace"`
	_        struct{}                    `arg:"*"`
	Src      *placed[srcPlace]           `arg:"src?" nla:"@0" doc:"prefix that the packet's source is in; any when left out"`
	Dst      *placed[dstPlace]           `arg:"dst?" nla:"@0" doc:"prefix that its destination is in"`
	Proto    *ipProtoArg                 `arg:"proto?" nla:"@44" doc:"its protocol: \"tcp\", \"udp\", \"icmp\" ... or a number"`
	Dir      oneOf[xfrmDirs, width8]     `arg:"dir" nla:"@160" zero:"yes" doc:"in (for this host), out (from it) or fwd (through it)"`
	Mark     *markArg                    `arg:"mark?" nla:"21" doc:"its mark: a number, or \"MARK/MASK\""`
	Action   *oneOf[xfrmActions, width8] `arg:"action?" nla:"@161" doc:"allow (when left out), or block: drop it"`
	Priority *whole[width32]             `arg:"priority?" nla:"@152" doc:"lower is first, 0 to 4294967295; 0 when left out"`
	IfID     *whole[width32]             `arg:"if_id?" nla:"31" doc:"number of the xfrm link that it is for; 0 is none"`
	Tmpl     *xfrmTemplates              `arg:"tmpl?" nla:"5" ip:"-" doc:"states that it goes through, one or a list: {\"src\": \"192.0.2.1\", \"dst\": \"192.0.2.2\", \"mode\": \"tunnel\", \"reqid\": 1}, with proto (esp when left out) and optional (False)"`
	Family   familyArg                   `arg:"family?" doc:"4 or 6; that of src= and dst=, else 4, when left out"`
}

func (a *xfrmPolicyArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Src != nil && a.Dst != nil && a.Src.IsValid() && a.Dst.IsValid() && a.Src.Addr().Is4() != a.Dst.Addr().Is4() {
		return nil, errors.New("xfrm_policy: src= and dst= are of two families")
	}
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, a.finish)
}

// finish writes what no word says.
func (a *xfrmPolicyArgs) finish(msg []byte) []byte {
	if msg[40] == 0 {
		msg[40] = map[familyArg]byte{0: 2, 4: 2, 6: 10}[a.Family]
	}
	copy(msg[56:], bytes.Repeat([]byte{0xff}, 32)) // without limits
	return msg
}
