package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// classKinds are the kinds of classes that are made one by one: each is of the qdisc of its name.
var classKinds = []*tcKind{htbClass, hfscClass, drrClass, qfqClass}

var _ = declareEntry(classDeclared(classKinds))

// classDeclared is the entry, once its kinds are there.
func classDeclared([]*tcKind) entryKind {
	return entryKind{Name: "tc_class", Command: "tc class", Args: &classArgs{}, Shell: tcShell, Text: classText,
		Doc: "Makes a class in a qdisc of a link (tc(8)). What is given besides is of the qdisc's kind, in the " +
			"words of tc-KIND(8).",
		Value: "A class in a qdisc (tc(8)).", LinkList: "tc_classes", ListDoc: "classes that were made in its qdiscs",
		Has: tcAttrs()}
}

type classArgs struct {
	Link    linkArg            `arg:"link" dev:"0" doc:"the link"`
	ClassID tcHandle           `arg:"classid" nla:"@8" doc:"its number, \"1:10\" (hexadecimal): that of its qdisc, and its own"`
	_       struct{}           `arg:"*"`
	Parent  *tcParent          `arg:"parent?" nla:"@12" doc:"the class that it is in, or its number; none when left out"`
	Kind    tcName[ofClasses]  `info:"kind" nla:"1" doc:"the kind of its qdisc"`
	Own     tcWords[ofClasses] `arg:"..."`
	runtime.Irreversible
}

func (a *classArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	l := a.Link.LinkRef
	n, err := tx.Machine().Namespace(l.NS)
	if err != nil {
		return nil, err
	}
	qdiscs, err := n.Entries("qdisc", &l)
	if err != nil {
		return nil, err
	}
	major := tcHandle(a.ClassID >> 16 << 16)
	var k *tcKind
	for _, q := range qdiscs {
		if decodeNumber[width32](q.Msg[8:12]) == int(major) {
			a.Kind.decode(q.Attr(1))
			k = tcNamed(classKinds, string(a.Kind))
		}
	}
	switch {
	case a.Kind == "":
		return nil, fmt.Errorf("tc_class: link %s has no qdisc %s", l.Name, major)
	case k == nil:
		return nil, fmt.Errorf("tc_class: classes are not made in a qdisc of %s, which has its own", a.Kind)
	case a.ClassID == major:
		return nil, fmt.Errorf("tc_class: %s is the qdisc: a class has a number behind the colon", a.ClassID)
	}
	classes, err := n.Entries("tc_class", &l)
	if err != nil {
		return nil, err
	}
	// The kernel would put it into none.
	if a.Parent != nil && *a.Parent != tcParent(major) && !slices.ContainsFunc(classes, func(c kernel.Entry) bool {
		return decodeNumber[width32](c.Msg[8:12]) == int(*a.Parent)
	}) {
		return nil, fmt.Errorf("tc_class: link %s has no class %s", l.Name, tcHandle(*a.Parent))
	}
	if a.Parent == nil {
		a.Parent = new(tcParent)
		*a.Parent = tcParent(major)
	}
	given, err := a.Own.whole(tx.View, k)
	if err != nil {
		return nil, fmt.Errorf("tc_class: %w", err)
	}
	options, err := k.options(given, nil)
	if err != nil {
		return nil, err
	}
	return addNew(tx, kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte {
		return kernel.AppendAttr(msg, tcaOptions|unix.NLA_F_NESTED, options)
	})
}

// classText is a class as tc(8) is told of it.
func classText(e kernel.Entry) []string {
	var id, parent tcHandle
	id.decode(e.Msg[8:12])
	parent.decode(e.Msg[12:16])
	if parent == tcRoot {
		parent = id >> 16 << 16
	}
	words := strings.Fields("dev " + e.Link.Name + " parent " + parent.String() + " classid " + id.String() + " " +
		tcNameOf(e))
	if k := tcKindOf(e); k != nil {
		words = append(words, k.text(e.Options())...)
	}
	return words
}
