package builtins

import (
	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "mroute_vif", Args: &mrouteVIFArgs{},
	Doc: "Lets multicast be routed over a link: the kernel gives it a number, and takes in all multicast that " +
		"comes by it. mroute() does this to the links that it names.",
	Value:    "A link that multicast is routed over.",
	LinkList: "mroute_vifs", ListDoc: "whether multicast is routed over it, of either family; without those of daemons",
	Shell: func(_ string, e kernel.Entry) string {
		return "true # multicast is routed over " + e.Link.Name + ", " + e.Words()
	}})

type mrouteVIFArgs struct {
	Link   linkArg         `arg:"link" dev:"0" doc:"the link"`
	_      struct{}        `arg:"*"`
	Family mrouteFamily    `arg:"family?" nla:"@0" doc:"4 or 6; 4 when left out"`
	Number *whole[width32] `arg:"number?" nla:"1" doc:"its number, 0 to 31; a free one when left out"`
}

// mrouteFamily is AF_INET or AF_INET6, in a message's header.
type mrouteFamily byte

func (mrouteFamily) ArgType() string         { return "int" }
func (a mrouteFamily) encode() []byte        { return []byte{byte(a)} }
func (a *mrouteFamily) decode(data []byte)   { *a = mrouteFamily(data[0]) }
func (a mrouteFamily) ip(word string) string { return word + " " + itoa(a.number()) }
func (a mrouteFamily) value() starlark.Value { return starlark.MakeInt(a.number()) }

func (a mrouteFamily) number() int { return map[bool]int{true: 6, false: 4}[a == unix.AF_INET6] }

func (a *mrouteFamily) Unpack(val starlark.Value) error {
	var f familyArg
	err := f.Unpack(val)
	*a = mrouteFamily(map[bool]byte{true: unix.AF_INET6, false: unix.AF_INET}[f == 6])
	return err
}

func (a *mrouteVIFArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Family == 0 {
		a.Family = unix.AF_INET
	}
	if a.Number == nil {
		n, err := tx.Machine().Namespace(a.Link.NS)
		if err != nil {
			return nil, err
		}
		free, err := n.FreeVIF(byte(a.Family))
		if err != nil {
			return nil, err
		}
		number := whole[width32](free)
		a.Number = &number
	}
	l := a.Link.LinkRef
	return addNew(tx, kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte {
		msg[0] = byte(a.Family)
		return msg
	})
}
