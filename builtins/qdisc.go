package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"
)

// qdiscKinds are the kinds of qdiscs.
var qdiscKinds = []*tcKind{netemQdisc, tbfQdisc, htbQdisc, hfscQdisc, drrQdisc, qfqQdisc, pfifoQdisc, bfifoQdisc,
	pfifoHeadDropQdisc, prioQdisc, etsQdisc, fqCodelQdisc, codelQdisc, fqQdisc, sfqQdisc, cakeQdisc, pieQdisc,
	fqPieQdisc, redQdisc, chokeQdisc, hhfQdisc, sfbQdisc, mqprioQdisc, multiqQdisc, skbprioQdisc, cbsQdisc, etfQdisc,
	ingressQdisc, clsactQdisc}

// Where packets come in, before all else (tc(8)): places for filters, and no queues.
var (
	ingressQdisc = declareTC(tcKind{Name: "ingress", Args: &struct{}{}, Bare: true, Ingress: true,
		Doc: "has filters look at what comes in"})
	clsactQdisc = declareTC(tcKind{Name: "clsact", Args: &struct{}{}, Bare: true, Ingress: true, Module: "sch_ingress",
		Config: "NET_SCH_INGRESS", Doc: "has filters look at what comes in, and at what leaves"})
)

var _ = declareEntry(qdiscDeclared(qdiscKinds))

// qdiscDeclared is the entry, once its kinds are there.
func qdiscDeclared([]*tcKind) entryKind {
	return entryKind{Name: "qdisc", Command: "tc qdisc", Args: &qdiscArgs{}, Shell: tcShell, Text: qdiscText,
		Doc: "Gives a link a queueing discipline (tc(8)), which decides what leaves it next, and when. What is given " +
			"besides is of its kind, in the words of tc-KIND(8).",
		Value: "A queueing discipline of a link (tc(8)).", LinkList: "qdiscs",
		ListDoc: "queueing disciplines that it was given, each after the one that it stands in",
		Has: append(tcAttrs(), entryAttr("stats", "struct", "its counters: bytes and packets that were sent, dropped, "+
			"overlimits, requeues, and backlog and qlen, the bytes and packets that wait", tcStats))}
}

type qdiscArgs struct {
	Link    linkArg           `arg:"link" dev:"0" doc:"the link"`
	Kind    tcName[ofQdiscs]  `arg:"kind" nla:"1" doc:"what it is"`
	_       struct{}          `arg:"*"`
	Handle  *tcMajor          `arg:"handle?" nla:"@8" doc:"its number, \"1:\" to \"fffe:\", hexadecimal; a free one from \"8001:\" on when left out"`
	Parent  *tcParent         `arg:"parent?" nla:"@12" doc:"where it stands: \"root\" (when left out), a class, or the number of one such as \"1:10\""`
	Replace bool              `arg:"replace?" doc:"whether to replace the one that is there, with all that stands in it"`
	Own     tcWords[ofQdiscs] `arg:"..."`
	runtime.Irreversible
}

func (a *qdiscArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	k := tcNamed(qdiscKinds, string(a.Kind))
	given, err := a.Own.whole(tx.View, k)
	if err != nil {
		return nil, fmt.Errorf("qdisc: %w", err)
	}
	l := a.Link.LinkRef
	n, err := tx.Machine().Namespace(l.NS)
	if err != nil {
		return nil, err
	}
	have, err := n.Entries("qdisc", &l)
	if err != nil {
		return nil, err
	}
	switch {
	case k.Ingress && (a.Parent != nil || a.Handle != nil):
		return nil, fmt.Errorf("qdisc: %s has a place and a number of its own: leave out parent= and handle=", k.Name)
	case k.Ingress:
		a.Handle = new(tcMajor)
		*a.Handle = k.major()
	case a.Handle == nil:
		a.Handle = freeMajor(have)
	}
	if a.Parent == nil {
		a.Parent = new(tcParent)
		*a.Parent = k.place()
	}
	e, err := k.qdisc(kernel.Entry{NS: l.NS, Link: &l}, a, given)
	if err != nil {
		return nil, err
	}
	for _, h := range have {
		if a.Replace && string(h.Msg[12:16]) == string(a.Parent.encode()) {
			if err := tx.Apply(&delEntry{Entry: h}); err != nil {
				return nil, err
			}
		}
	}
	err = k.lacking(tx.Apply(&addEntry{Entry: e}))
	if refused := new(kernel.Error); errors.Is(err, unix.EEXIST) && errors.As(err, &refused) {
		refused.Hint = "a qdisc stands there or has the number: with replace = True it goes, and all that stands in it"
	}
	return &entryValue{tx.View, e}, err
}

const tcaOptions = 2 // TCA_OPTIONS (linux/rtnetlink.h)

// freeMajor is the first number that no qdisc of a link has, of those that the kernel gives.
func freeMajor(have []kernel.Entry) *tcMajor {
	for major := tcMajor(0x8001); ; major++ {
		if !slices.ContainsFunc(have, func(e kernel.Entry) bool {
			return decodeNumber[width32](e.Msg[8:12]) == int(major)<<16
		}) {
			return &major
		}
	}
}

// tcHandle is the number of a class, or of a qdisc with 0 behind the colon.
type tcHandle uint32

const (
	tcRoot    = 0xffffffff
	tcIngress = 0xfffffff1
)

func (tcHandle) ArgType() string         { return `"MAJOR:MINOR"` }
func (a tcHandle) encode() []byte        { return encodeNumber[width32](int(a)) }
func (a *tcHandle) decode(data []byte)   { *a = tcHandle(decodeNumber[width32](data)) }
func (a tcHandle) ip(word string) string { return word + " " + a.String() }
func (a tcHandle) value() starlark.Value { return starlark.String(a.String()) }

func (a tcHandle) String() string {
	if a&0xffff == 0 {
		return strconv.FormatUint(uint64(a>>16), 16) + ":"
	}
	return strconv.FormatUint(uint64(a>>16), 16) + ":" + strconv.FormatUint(uint64(a&0xffff), 16)
}

func (a *tcHandle) Unpack(val starlark.Value) error {
	if e, ok := val.(*entryValue); ok && len(e.entry.Msg) >= 12 && (e.Type() == "qdisc" || e.Type() == "tc_class") {
		a.decode(e.entry.Msg[8:12])
		return nil
	}
	s, _ := starlark.AsString(val)
	first, second, ok := strings.Cut(s, ":")
	major, err := strconv.ParseUint(first, 16, 16)
	minor := uint64(0)
	if second != "" && err == nil {
		minor, err = strconv.ParseUint(second, 16, 16)
	}
	if !ok || err != nil {
		return fmt.Errorf(`%s is no number such as "1:" or "1:10", in hexadecimal`, val)
	}
	*a = tcHandle(major<<16 | minor)
	return nil
}

// tcMajor is the number of a qdisc.
type tcMajor uint16

func (tcMajor) ArgType() string         { return `"MAJOR:"` }
func (a tcMajor) encode() []byte        { return tcHandle(uint32(a) << 16).encode() }
func (a *tcMajor) decode(data []byte)   { *a = tcMajor(decodeNumber[width32](data) >> 16) }
func (a tcMajor) ip(word string) string { return word + " " + tcHandle(uint32(a)<<16).String() }
func (a tcMajor) value() starlark.Value { return tcHandle(uint32(a) << 16).value() }
func (a *tcMajor) Unpack(val starlark.Value) error {
	var h tcHandle
	if err := h.Unpack(val); err != nil {
		return err
	}
	if h&0xffff != 0 || h == 0 || h>>16 == 0xffff {
		return fmt.Errorf(`%s is no number of a qdisc, which are from "1:" to "fffe:"`, val)
	}
	*a = tcMajor(h >> 16)
	return nil
}

// tcParent is where a qdisc stands.
type tcParent tcHandle

func (tcParent) ArgType() string       { return `"root" or class` }
func (a tcParent) encode() []byte      { return tcHandle(a).encode() }
func (a *tcParent) decode(data []byte) { (*tcHandle)(a).decode(data) }
func (a tcParent) ip(word string) string {
	switch a {
	case tcRoot:
		return "root"
	case tcIngress:
		return "ingress"
	}
	return tcHandle(a).ip(word)
}
func (a tcParent) value() starlark.Value {
	if a == tcRoot || a == tcIngress {
		return starlark.String(a.ip(""))
	}
	return tcHandle(a).value()
}
func (a *tcParent) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok && s == "root" {
		*a = tcRoot
		return nil
	}
	if err := (*tcHandle)(a).Unpack(val); err != nil {
		return fmt.Errorf(`%s is neither "root" nor a class such as "1:10"`, val)
	}
	if *a == 0 {
		return errors.New("0: is no qdisc that somebody made")
	}
	return nil
}

// tcAttrs are attributes of values of traffic control.
func tcAttrs() []runtime.Attr {
	return []runtime.Attr{entryAttr("options", "struct", "what it is set to, in the words of its builtin; None for "+
		"what it has not", func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
		k := tcKindOf(e)
		if k == nil {
			return newStruct("options", starlark.StringDict{}), nil
		}
		return k.value(e.Options()), nil
	})}
}

// tcStats are the counters of a qdisc or class, struct gnet_stats_basic and struct gnet_stats_queue.
func tcStats(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
	stats := map[int][]byte{}
	for number, value := range kernel.Attrs(e.Attr(7)) { // TCA_STATS2
		stats[number] = append(value, make([]byte, 24)...)
	}
	fields := starlark.StringDict{}
	for _, f := range []struct {
		name           string
		of, from, size int
	}{{"bytes", 1, 0, 8}, {"packets", 1, 8, 4}, {"qlen", 3, 0, 4}, {"backlog", 3, 4, 4}, {"dropped", 3, 8, 4},
		{"requeues", 3, 12, 4}, {"overlimits", 3, 16, 4}} {
		fields[f.name] = starlark.MakeInt(0)
		if s := stats[f.of]; s != nil {
			fields[f.name] = starlark.MakeInt(decodeNumber[width64](s[f.from : f.from+f.size]))
		}
	}
	return newStruct("stats", fields), nil
}

// qdiscText is a qdisc as tc(8) is told of it.
func qdiscText(e kernel.Entry) []string {
	var parent tcParent
	var handle tcMajor
	parent.decode(e.Msg[12:16])
	handle.decode(e.Msg[8:12])
	if parent == tcIngress {
		return []string{"dev", e.Link.Name, tcNameOf(e)}
	}
	words := strings.Fields("dev " + e.Link.Name + " " + parent.ip("parent") + " " + handle.ip("handle"))
	if words = append(words, tcNameOf(e)); tcKindOf(e) != nil {
		words = append(words, tcKindOf(e).text(e.Options())...)
	}
	return words
}

// tcShell is the command line that changes one. Which one is deleted is told without its options.
func tcShell(verb string, e kernel.Entry) string {
	words := strings.Fields(e.Words())
	for _, last := range []string{"handle", "classid"} {
		if at := slices.Index(words, last); verb == "del" && at >= 0 {
			words = words[:at+2]
		}
	}
	object := map[string]string{"tc_class": "class", "tc_filter": "filter"}[e.Table]
	if object == "" {
		object = e.Table
	}
	return "tc" + strings.TrimPrefix(in(e.NS), "ip") + object + " " + verb + " " + strings.Join(words, " ")
}
