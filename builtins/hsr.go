package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "hsr", Args: &hsrArgs{}, Kernel: "linux-image-6.12-amd64",
	Doc: "Makes an hsr link: what it sends goes out of two links, both ways around a ring or into two networks, and " +
		"of what comes twice one is dropped (IEC 62439-3). It goes with either link, and is not made again when its " +
		"deletion is undone."})

type hsrArgs struct {
	Slave1 linkArg   `arg:"slave1" nla:"lower" doc:"first of the two links, which is up"`
	Slave2 slaveAttr `arg:"slave2" nla:"2" eg:"link" doc:"the second one, of the same namespace"`
	_      struct{}  `arg:"*"`
	newLinkArgs
	Proto   *hsrProto      `arg:"proto?" nla:"7" doc:"hsr, a ring, or prp, two networks; hsr when left out"`
	Version *whole[width8] `arg:"version?" nla:"6" doc:"version of HSR, 0 (2010) or 1 (2012), which it keeps and does not show; 0 when left out"`
}

// hsrProto is HSR_PROTOCOL_HSR and so on (linux/if_link.h), of which ip-link(8) has the numbers.
type hsrProto struct {
	oneOf[hsrProtos, width8]
}

type hsrProtos struct{}

func (hsrProtos) words() map[string]int { return map[string]int{"hsr": 0, "prp": 1} }

func (a hsrProto) ip(word string) string {
	return word + " " + itoa(hsrProtos{}.words()[string(a.oneOf)])
}

func (a *hsrArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.Slave1.NS, a, &a.newLinkArgs)
}

// slaveAttr is another link of the same namespace, which must be there.
type slaveAttr struct{ besideAttr }

func (slaveAttr) ArgType() string { return "link" }

func (a *slaveAttr) UnpackIn(v *runtime.View, val starlark.Value) error {
	if _, ok := val.(*linkValue); !ok {
		return want("link", val)
	}
	return a.besideAttr.UnpackIn(v, val)
}
