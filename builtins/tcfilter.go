package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// filterKinds are the kinds of filters.
var filterKinds = []*tcKind{u32Filter, matchallFilter, fwFilter, flowerFilter, basicFilter, bpfFilter}

var _ = declareEntry(filterDeclared(filterKinds))

// filterDeclared is the entry, once its kinds are there.
func filterDeclared([]*tcKind) entryKind {
	return entryKind{Name: "tc_filter", Command: "tc filter", Args: &filterArgs{}, Shell: filterShell, Text: filterText,
		Doc: "Has a qdisc choose by a filter what class a packet is of, or do something with it (tc(8)). What is " +
			"given besides is of its kind, in the words of tc-KIND(8).",
		Value: "A filter of packets (tc(8)).", LinkList: "tc_filters", ListDoc: "filters of its qdiscs", Has: tcAttrs()}
}

type filterArgs struct {
	Link     linkArg            `arg:"link" dev:"0" doc:"the link"`
	Kind     tcName[ofFilters]  `arg:"kind" nla:"1" doc:"what it is"`
	_        struct{}           `arg:"*"`
	Parent   *filterParent      `arg:"parent?" nla:"@12" doc:"the qdisc or class that asks it, or its number; \"ingress\" or \"egress\" of a clsact; the qdisc at the root, or else the one where packets come in, when left out"`
	Protocol *etherType         `arg:"protocol?" nla:"@16" doc:"packets that it looks at: all (when left out), ip, ipv6, arp, 802.1q, 802.1ad, or a number"`
	Pref     *whole[width16]    `arg:"pref?" nla:"@18" doc:"lower is asked first, 1 to 65535; before those that there are when left out"`
	Chain    *whole[width32]    `arg:"chain?" nla:"11" doc:"number of the chain that it is in; 0 when left out"`
	Own      tcWords[ofFilters] `arg:"..."`
	runtime.Irreversible
}

func (a *filterArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	k := tcNamed(filterKinds, a.Kind.String())
	given, err := a.Own.whole(tx.View, k)
	if err != nil {
		return nil, fmt.Errorf("tc_filter: %w", err)
	}
	if a.Protocol == nil {
		a.Protocol = new(etherType)
		*a.Protocol = etherTypes["all"]
	}
	given["protocol"] = a.Protocol // which is no word of a kind, but matters to some
	options, err := k.options(given, nil)
	if err != nil {
		return nil, err
	}
	l := a.Link.LinkRef
	var acts tcActions
	if given["action"] != nil {
		acts = *given["action"].(*tcActions)
	}
	n, err := tx.Machine().Namespace(l.NS)
	if err != nil {
		return nil, err
	}
	if err := a.place(n, l); err != nil {
		return nil, err
	}
	have, err := n.Entries("tc_filter", &l)
	if err != nil {
		return nil, err
	}
	a.prefer(have)
	e, err := addNew(tx, kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte {
		copy(msg[8:], encodeNumber[width32](a.handle(k, given, have, msg)))
		return kernel.AppendAttr(msg, tcaOptions|unix.NLA_F_NESTED, options)
	})
	return e, k.lacking(err, acts...)
}

// place finds where it stands when nobody says where.
func (a *filterArgs) place(n *kernel.Namespace, l kernel.LinkRef) error {
	if a.Parent != nil {
		return nil
	}
	qdiscs, err := n.Entries("qdisc", &l)
	if err != nil {
		return err
	}
	for _, parent := range []int{tcRoot, tcIngress} {
		for _, q := range qdiscs {
			if decodeNumber[width32](q.Msg[12:16]) == parent {
				a.Parent = new(filterParent)
				if a.Parent.decode(q.Msg[8:12]); tcKindOf(q) == clsactQdisc {
					*a.Parent = tcInBlock
				}
				return nil
			}
		}
	}
	return &kernel.Error{Op: "add tc_filter", Object: a.Kind.String() + " of " + l.Name, NS: l.NS.String(),
		Err:  errors.New("the link has no qdisc that was given it"),
		Hint: `filters hang on a qdisc: qdisc(` + l.Name + `, "clsact") is one for what comes in and what goes out`}
}

// prefer chooses a preference as the kernel does: one less than the least.
func (a *filterArgs) prefer(have []kernel.Entry) {
	if a.Pref != nil {
		return
	}
	least := 0xc001
	for _, f := range have {
		// Those of the two directions of a clsact are told apart by it, too.
		if string(f.Msg[13:16]) == string(a.Parent.encode()[1:]) {
			least = min(least, decodeNumber[width16](f.Msg[18:20]))
		}
	}
	a.Pref = new(whole[width16])
	*a.Pref = whole[width16](max(least-1, 1))
}

// handle is the number of the filter among those of its place: the first that is free, a mark, or the only one.
func (a *filterArgs) handle(k *tcKind, given map[string]kindAttr, have []kernel.Entry, msg []byte) int {
	number := 1
	switch k {
	case fwFilter:
		return decodeNumber[width32](given["mark"].encode())
	case u32Filter:
		number = 0x800
	}
	for _, f := range have {
		if string(f.Msg[12:20]) == string(msg[12:20]) {
			number = max(number, decodeNumber[width32](f.Msg[8:12])&0xfff+1)
		}
	}
	return number
}

// filterParent is what asks a filter.
type filterParent tcHandle

const (
	tcInBlock  = 0xfffffff2
	tcOutBlock = 0xfffffff3
)

func (filterParent) ArgType() string       { return `qdisc, class, "ingress" or "egress"` }
func (a filterParent) encode() []byte      { return tcHandle(a).encode() }
func (a *filterParent) decode(data []byte) { (*tcHandle)(a).decode(data) }
func (a filterParent) ip(word string) string {
	switch a {
	case tcInBlock:
		return "ingress"
	case tcOutBlock:
		return "egress"
	}
	return tcHandle(a).ip(word)
}
func (a filterParent) value() starlark.Value {
	return starlark.String(strings.TrimPrefix(a.ip(""), " "))
}
func (a *filterParent) Unpack(val starlark.Value) error {
	switch s, _ := starlark.AsString(val); s {
	case "ingress":
		*a = tcInBlock
		return nil
	case "egress":
		*a = tcOutBlock
		return nil
	}
	return (*tcHandle)(a).Unpack(val)
}

// filterText is a filter as tc(8) is told of it.
func filterText(e kernel.Entry) []string {
	var parent filterParent
	var protocol etherType
	parent.decode(e.Msg[12:16])
	protocol.decode(e.Msg[16:18])
	words := strings.Fields(fmt.Sprintf("dev %s %s protocol %s pref %d", e.Link.Name, parent.ip("parent"), protocol,
		decodeNumber[width16](e.Msg[18:20])))
	if chain := e.Number(11); chain != 0 {
		words = append(words, "chain", itoa(chain))
	}
	if tcKindOf(e) == fwFilter {
		words = append(words, "handle", itoa(decodeNumber[width32](e.Msg[8:12])))
	}
	if words = append(words, tcNameOf(e)); tcKindOf(e) != nil {
		words = append(words, tcKindOf(e).text(e.Options())...)
	}
	return words
}

// filterShell tells which one is deleted without what it looks at.
func filterShell(verb string, e kernel.Entry) string {
	line := tcShell(verb, e)
	words := strings.Fields(line)
	if at := slices.Index(words, tcNameOf(e)); verb == "del" && at > 0 {
		return strings.Join(words[:at+1], " ")
	}
	return line
}
