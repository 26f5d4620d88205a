package builtins

import (
	"bytes"
	"fmt"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/packet"
)

var packetDecl = runtime.Query("packet", "packet",
	"Makes a frame of layers, outermost first, to be sent with send(). What is not given and follows from the others "+
		"is filled in: lengths, checksums, what follows a header.", &packetArgs{})

type packetArgs struct {
	Parts []partArg `arg:"*parts" doc:"what layer.ether(), layer.ip() ... make; a string or bytes without a header"`
}

// partArg is a layer, or bytes.
type partArg struct{ packet.Part }

func (partArg) ArgType() string { return "header, string or bytes" }

func (a *partArg) Unpack(val starlark.Value) error {
	switch val := val.(type) {
	case *layerValue:
		if val.part == nil {
			return fmt.Errorf("layer %s is one of a packet: layer.%s() makes a new one", val.layer.Name, val.layer.Name)
		}
		a.Part = *val.part
	case starlark.String:
		a.Data = []byte(val)
	case starlark.Bytes:
		a.Data = []byte(val)
	default:
		return want("header, string or bytes", val)
	}
	return nil
}

func (a *packetArgs) Query(v *runtime.View) (starlark.Value, error) {
	parts := make([]packet.Part, len(a.Parts))
	for i, p := range a.Parts {
		parts[i] = p.Part
	}
	data, err := packet.Build(parts)
	if err != nil {
		return nil, fmt.Errorf("packet: %w", err)
	}
	p := &packetValue{v: v, parts: parts}
	p.frame.Data, p.frame.Length = data, len(data)
	return p, nil
}

// packetValue is a frame: one that was captured, or one of its own, of parts.
type packetValue struct {
	v      *runtime.View
	frame  packet.Frame
	began  time.Time // of its capture
	parts  []packet.Part
	layers []packet.Layer // when they were asked for
}

var (
	_ starlark.HasAttrs   = (*packetValue)(nil)
	_ starlark.Comparable = (*packetValue)(nil)
)

func (p *packetValue) Freeze()               {}
func (p *packetValue) Truth() starlark.Bool  { return true }
func (p *packetValue) Type() string          { return "packet" }
func (p *packetValue) Hash() (uint32, error) { return starlark.String(p.frame.Data).Hash() }
func (p *packetValue) String() string        { return packet.Line(p.decoded()) }

func (p *packetValue) Attr(name string) (starlark.Value, error) { return p.v.Attr("packet", p, name) }
func (p *packetValue) AttrNames() []string                      { return p.v.AttrNames("packet") }

// CompareSameType makes two frames equal that have the same bytes, and the same time if they were captured.
func (p *packetValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	o := other.(*packetValue)
	return equal(op, "packet", bytes.Equal(p.frame.Data, o.frame.Data) && p.frame.Time.Equal(o.frame.Time) &&
		p.frame.Length == o.frame.Length && p.frame.Outgoing == o.frame.Outgoing)
}

// decoded is its layers. A frame without an Ethernet header has none that can be told.
func (p *packetValue) decoded() []packet.Layer {
	if p.layers == nil {
		if p.parts != nil && (p.parts[0].Row == nil || p.parts[0].Row.Name != "ether") {
			p.layers = packet.DecodeIP(p.frame.Data)
		} else {
			p.layers = packet.Decode(p.frame.Data)
		}
	}
	return p.layers
}

func packetAttr(name, typ, doc string, get func(p *packetValue) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) { return get(val.(*packetValue)), nil }}
}

var packetType = &runtime.Type{Name: "packet", Doc: "A frame, with its outermost header of each name: packet.ip.src, " +
	"packet.tcp.flags.",
	Attrs: append([]runtime.Attr{
		packetAttr("layers", "list of header", "its layers, outermost first, as far as they can be told",
			func(p *packetValue) starlark.Value {
				var all []starlark.Value
				for _, l := range p.decoded() {
					all = append(all, &layerValue{v: p.v, layer: l})
				}
				return starlark.NewList(all)
			}),
		packetAttr("time", "float", "seconds from the beginning of its capture; 0.0 of one that was made",
			func(p *packetValue) starlark.Value {
				if p.frame.Time.IsZero() {
					return starlark.Float(0)
				}
				return seconds(p.frame.Time.Sub(p.began))
			}),
		packetAttr("length", "int", "its length on the wire in bytes",
			func(p *packetValue) starlark.Value { return starlark.MakeInt(p.frame.Length) }),
		packetAttr("outgoing", "bool", "whether the link that it was captured on has sent it",
			func(p *packetValue) starlark.Value { return starlark.Bool(p.frame.Outgoing) }),
		packetAttr("data", "bytes", "its bytes, as far as they were kept",
			func(p *packetValue) starlark.Value { return starlark.Bytes(p.frame.Data) }),
	}, layerAttrs()...)}

// layerAttrs are the headers by their names.
func layerAttrs() (all []runtime.Attr) {
	for _, name := range append(rowNames(), "payload", "malformed") {
		doc := "what is broken of it"
		switch r := packet.Find(name); {
		case r != nil:
			doc = r.Doc
		case name == "payload":
			doc = "its bytes without a header"
		}
		all = append(all, packetAttr(name, "header or None", doc, func(p *packetValue) starlark.Value {
			for _, l := range p.decoded() {
				if l.Name == name {
					return &layerValue{v: p.v, layer: l}
				}
			}
			return starlark.None
		}))
	}
	return all
}
