package builtins

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// encapDecls are what a route or a nexthop can put around packets: a builtin each, which makes a value.
var encapDecls = []*runtime.Decl{
	runtime.Query("encap.mpls", "encapsulation",
		"MPLS labels in front of a packet, for encap= of a route (ip-route(8)).", &encapMPLS{}).Needing("mpls"),
	runtime.Query("encap.seg6", "encapsulation",
		"Segments that a packet passes through (SRv6, RFC 8754), for encap= of an IPv6 route, or of an IPv4 one.",
		&encapSeg6{Mode: "encap"}).Needing("seg6"),
	runtime.Query("encap.seg6local", "encapsulation",
		"What is done at a segment (SRv6, RFC 8986), for encap= of the IPv6 route to it.",
		&encapSeg6Local{}).Needing("seg6"),
	runtime.Query("encap.ip", "encapsulation",
		"An IPv4 header, for encap= of a route over a tunnel without a destination of its own (external).",
		&encapIP{}),
	runtime.Query("encap.ip6", "encapsulation",
		"An IPv6 header, for encap= of a route over a tunnel without a destination of its own (external).",
		&encapIP6{}),
	runtime.Query("encap.xfrm", "encapsulation",
		"An interface id of IPsec, for encap= of a route over an xfrm link without an id of its own (external).",
		&encapXfrm{}),
}

type encapMPLS struct {
	Labels labelsArg      `arg:"labels" nla:"1" doc:"the label, 0 to 1048575, or a list of them, outermost first"`
	_      struct{}       `arg:"*"`
	TTL    *whole[width8] `arg:"ttl?" nla:"2" doc:"time to live of the labels; that of the packet when left out"`
}

func (a *encapMPLS) Query(*runtime.View) (starlark.Value, error) { return newEncap("mpls", a) }

type encapSeg6 struct {
	Segs segmentsArg `arg:"segs" doc:"the segments, a list of IPv6 addresses, in the order in which they are passed"`
	_    struct{}    `arg:"*"`
	Mode seg6Mode    `arg:"mode?" doc:"inline (the header is put into an IPv6 packet), encap (around it), l2encap (around the frame), encap.red, l2encap.red (without the first segment)"`
}

func (a *encapSeg6) Query(*runtime.View) (starlark.Value, error) {
	e, err := newEncap("seg6", a)
	if err == nil {
		e.nest = kernel.AppendAttr(nil, 1, kernel.Seg6(string(a.Mode), a.Segs))
	}
	return e, err
}

type encapSeg6Local struct {
	Action   seg6Action      `arg:"action" nla:"1" doc:"behaviour: End, End.X, End.T, End.DX6, End.DX4, End.DT6, End.DT4, End.DT46, End.B6, End.B6.Encaps"`
	_        struct{}        `arg:"*"`
	Segs     *segmentsArg    `arg:"segs?" nla:"2" doc:"segments, for End.B6 and End.B6.Encaps"`
	Table    *whole[width32] `arg:"table?" nla:"3" doc:"number of the routing table, for End.T, End.DT6 and End.DT4"`
	VRFTable *whole[width32] `arg:"vrftable?" nla:"9" doc:"number of a VRF's routing table, for End.DT6, End.DT4 and End.DT46"`
	NH4      *addrAttr       `arg:"nh4?" nla:"4" doc:"next hop, for End.DX4"`
	NH6      *addrAttr       `arg:"nh6?" nla:"5" doc:"next hop, for End.X and End.DX6"`
}

func (a *encapSeg6Local) Query(*runtime.View) (starlark.Value, error) {
	return newEncap("seg6local", a)
}

type encapIP struct {
	Dst addrAttr       `arg:"dst" nla:"2" doc:"destination, an IPv4 address"`
	_   struct{}       `arg:"*"`
	Src *addrAttr      `arg:"src?" nla:"3" doc:"source, an IPv4 address; what the route to dst says when left out"`
	ID  *bigNumber     `arg:"id?" nla:"1" doc:"key or network identifier"`
	TTL *whole[width8] `arg:"ttl?" nla:"4" doc:"time to live"`
	TOS *whole[width8] `arg:"tos?" nla:"5" doc:"type of service"`
}

func (a *encapIP) Query(*runtime.View) (starlark.Value, error) { return newEncap("ip", a) }

type encapIP6 struct {
	Dst      addrAttr       `arg:"dst" nla:"2" doc:"destination, an IPv6 address"`
	_        struct{}       `arg:"*"`
	Src      *addrAttr      `arg:"src?" nla:"3" doc:"source, an IPv6 address; what the route to dst says when left out"`
	ID       *bigNumber     `arg:"id?" nla:"1" doc:"key or network identifier"`
	HopLimit *whole[width8] `arg:"hoplimit?" nla:"4" doc:"hop limit"`
	TC       *whole[width8] `arg:"tc?" nla:"5" doc:"traffic class"`
}

func (a *encapIP6) Query(*runtime.View) (starlark.Value, error) { return newEncap("ip6", a) }

type encapXfrm struct {
	ID whole[widthSome] `arg:"if_id" nla:"1" doc:"the interface id"`
}

func (a *encapXfrm) Query(*runtime.View) (starlark.Value, error) { return newEncap("xfrm", a) }

// newEncap makes an encapsulation of its arguments.
func newEncap(word string, args any) (*encapValue, error) {
	i := slices.IndexFunc(kernel.Encaps, func(e kernel.Encap) bool { return e.Word == word })
	return &encapValue{kernel.Encaps[i], givenAttrs(args)}, nil
}

// givenAttrs are those parameters of a builtin that are attributes of a message and were given.
func givenAttrs(args any) (attrs []byte) {
	v := reflect.ValueOf(args).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		number, err := strconv.Atoi(f.Tag.Get("nla"))
		field := v.FieldByIndex(f.Index)
		if err != nil || field.Kind() == reflect.Pointer && field.IsNil() {
			continue
		}
		if a, ok := reflect.Indirect(field).Interface().(interface{ encode() []byte }); ok {
			attrs = kernel.AppendAttr(attrs, number, a.encode())
		}
	}
	return attrs
}

// seg6Mode and seg6Action are words of kernel.Seg6Modes and kernel.Seg6Actions.
type (
	seg6Mode   string
	seg6Action = oneOf[seg6Actions, width32]

	seg6Actions struct{}
)

func (seg6Mode) ArgType() string                      { return "string" }
func (a seg6Mode) String() string                     { return string(a) }
func (seg6Mode) Choices(*runtime.Vocabulary) []string { return kernel.Seg6Modes }
func (a *seg6Mode) Unpack(val starlark.Value) error {
	s, err := choice(val, kernel.Seg6Modes)
	*a = seg6Mode(s)
	return err
}

func (seg6Actions) words() map[string]int {
	all := map[string]int{}
	for i, word := range kernel.Seg6Actions {
		if word != "" {
			all[word] = i
		}
	}
	return all
}

// segmentsArg are IPv6 addresses, at most as many as a header has room for.
type segmentsArg []netip.Addr

func (segmentsArg) ArgType() string  { return "list of address" }
func (a segmentsArg) encode() []byte { return kernel.SRH(a) }
func (a *segmentsArg) Unpack(val starlark.Value) error {
	it, ok := val.(starlark.Sequence)
	if !ok {
		it = starlark.Tuple{val}
	}
	for e := range starlark.Elements(it) {
		var ip ipArg
		if err := ip.Unpack(e); err != nil {
			return err
		}
		if !ip.Is6() || ip.Zone() != "" {
			return fmt.Errorf("%s is no IPv6 address without a zone", ip)
		}
		*a = append(*a, ip.Addr)
	}
	if n := len(*a); n == 0 || n > 100 {
		return fmt.Errorf("%d segments are not from 1 to 100", n)
	}
	return nil
}

// bigNumber is a number of 64 bits in network byte order.
type bigNumber uint64

func (bigNumber) ArgType() string  { return "int" }
func (a bigNumber) encode() []byte { return binary.BigEndian.AppendUint64(nil, uint64(a)) }
func (a *bigNumber) Unpack(val starlark.Value) error {
	n, err := number[int](val, 0, 1<<63-1)
	*a = bigNumber(n)
	return err
}

// encapArg is what a route or a nexthop puts around packets.
type encapArg struct {
	of   kernel.Encap
	nest []byte
}

func (encapArg) ArgType() string { return "encapsulation" }

func (a *encapArg) Unpack(val starlark.Value) error {
	e, ok := val.(*encapValue)
	if !ok {
		return want(`encapsulation, such as encap.mpls(100)`, val)
	}
	*a = encapArg(*e)
	return nil
}

// wayEncap is what a nexthop object puts around packets: two attributes, the kind and a nest.
type wayEncap struct{ encapArg }

func (wayEncap) first() int              { return 2 } // bytes of the first one
func (a wayEncap) encode() []byte        { return append(encodeNumber[width16](int(a.of.Type)), a.nest...) }
func (a wayEncap) value() starlark.Value { return (*encapValue)(&a.encapArg) }
func (a wayEncap) ip(word string) string { return word + " " + (*encapValue)(&a.encapArg).String() }
func (a wayEncap) none() bool            { return a.of.Word == "" }

func (a *wayEncap) decode(data []byte) {
	if e, ok := encapIn(data[:min(2, len(data))], data[min(2, len(data)):]).(*encapValue); ok {
		a.encapArg = encapArg(*e)
	}
}

// encapValue is an encapsulation in a script.
type encapValue struct {
	of   kernel.Encap
	nest []byte
}

var (
	_ starlark.HasAttrs   = (*encapValue)(nil)
	_ starlark.Comparable = (*encapValue)(nil)
)

func (e *encapValue) Freeze()               {}
func (e *encapValue) Truth() starlark.Bool  { return true }
func (e *encapValue) String() string        { return e.of.Word + " " + kernel.EncapWords(e.of, e.nest) }
func (e *encapValue) Type() string          { return "encapsulation" }
func (e *encapValue) Hash() (uint32, error) { return starlark.String(e.String()).Hash() }
func (e *encapValue) AttrNames() []string   { return encapNames }

// CompareSameType makes two encapsulations equal that say the same.
func (e *encapValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "encapsulation", e.String() == other.(*encapValue).String())
}

// Attr reads an attribute; None is what this encapsulation does not have.
func (e *encapValue) Attr(name string) (starlark.Value, error) {
	if !slices.Contains(encapNames, name) {
		return nil, nil
	}
	if name == "type" {
		return starlark.String(e.of.Word), nil
	}
	for _, a := range e.of.Attrs {
		if val := encapAttr(a, name, kernel.InfoAttr(e.nest, a.Number)); val != nil {
			return val, nil
		}
	}
	return starlark.None, nil
}

// encapNames are the attributes of all encapsulations.
var encapNames = []string{"action", "dst", "hoplimit", "id", "if_id", "labels", "mode", "nh4", "nh6", "segs", "src",
	"table", "tc", "tos", "ttl", "type", "vrftable"}

var encapType = func() *runtime.Type {
	t := &runtime.Type{Name: "encapsulation",
		Doc: "What a route or a nexthop puts around packets. It has what its builtin was given: the other attributes " +
			"are None."}
	for _, name := range encapNames {
		a := runtime.Attr{Name: name, Type: "any", Doc: "see encap." + encapOf(name),
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return r.(*encapValue).Attr(name) }}
		if name == "type" {
			a.Type, a.Doc = "string", "mpls, seg6, seg6local, ip, ip6 or xfrm"
		}
		t.Attrs = append(t.Attrs, a)
	}
	return t
}()

// encapOf is the first encapsulation that is given a parameter of a name.
func encapOf(name string) string {
	for _, d := range encapDecls {
		if slices.ContainsFunc(d.Params, func(p runtime.Param) bool { return p.Name == name }) {
			return d.Name[len("encap."):]
		}
	}
	return ""
}

// encapAttr is the value of an attribute by its name, nil when it has another name or is not there.
func encapAttr(a kernel.EncapAttr, name string, data []byte) starlark.Value {
	if data == nil {
		return nil
	}
	segments := func(segs []netip.Addr) starlark.Value {
		var all []string
		for _, s := range segs {
			all = append(all, s.String())
		}
		return stringList(all)
	}
	switch {
	case a.Form == kernel.EncapLabels && name == "labels":
		return labelsArg(kernel.LabelsOf(data)).value()
	case a.Form == kernel.EncapModeSRH && name == "segs":
		_, segs := kernel.Seg6Of(data)
		return segments(segs)
	case a.Form == kernel.EncapModeSRH && name == "mode":
		mode, _ := kernel.Seg6Of(data)
		return starlark.String(mode)
	case a.Form == kernel.EncapSRH && name == "segs":
		return segments(kernel.SegmentsOf(data))
	case a.Word != name:
		return nil
	case a.Form == kernel.EncapIP:
		ip, _ := netip.AddrFromSlice(data)
		return starlark.String(ip.String())
	case a.Form == kernel.EncapAction:
		return starlark.String(kernel.EncapText(a.Form, data))
	case a.Form == kernel.EncapBig && len(data) == 8:
		return starlark.MakeUint64(binary.BigEndian.Uint64(data))
	case len(data) == 1:
		return starlark.MakeInt(int(data[0]))
	}
	return starlark.MakeInt(decodeNumber[width32](data))
}

// encapIn is what a route's message, or a nexthop in it, puts around packets; None when it puts nothing.
func encapIn(kind, nest []byte) starlark.Value {
	if len(kind) < 2 {
		return starlark.None
	}
	typ := binary.NativeEndian.Uint16(kind)
	if i := slices.IndexFunc(kernel.Encaps, func(e kernel.Encap) bool { return e.Type == typ }); i >= 0 {
		return &encapValue{kernel.Encaps[i], nest}
	}
	return starlark.None // of a kind that nsscript does not make
}
