package builtins

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/packet"
)

// layerDecls are the headers that a packet can be made of: a builtin each, of its row.
func layerDecls() (all []*runtime.Decl) {
	for _, r := range packet.Rows {
		all = append(all, runtime.Query("layer."+r.Name, "header",
			"A header of a packet: "+r.Doc+". packet() puts it before what follows.", &layerArgs{fieldsArg{row: r}}))
	}
	return all
}

func rowNames() (all []string) {
	for _, r := range packet.Rows {
		all = append(all, r.Name)
	}
	return all
}

type layerArgs struct {
	Fields fieldsArg `arg:"..."`
}

// fieldsArg is the fields of a row, each of which can be given by its name.
type fieldsArg struct {
	row   *packet.Row
	given map[string]any
}

func (a *fieldsArg) Params() (all []runtime.Param) {
	for _, f := range a.row.Fields {
		if f.Name != "" {
			all = append(all, runtime.Param{Name: f.Name, Type: fieldTypes[f.Shape], Doc: f.Says()})
		}
	}
	return all
}

var fieldTypes = map[packet.Shape]string{packet.Number: "int", packet.Flag: "bool", packet.MAC: "MAC address or link",
	packet.IP4: "address or link", packet.IP6: "address or link", packet.Flags: "string", packet.Bytes: "bytes",
	packet.Prefix: "prefix"}

func (a *fieldsArg) Give(v *runtime.View, name string, val starlark.Value) error {
	f, _ := a.row.Field(name)
	is, err := fieldValue(v, f, val)
	if err != nil {
		return err
	}
	if err := a.row.Check(f, is); err != nil {
		return err
	}
	a.given = maps.Clone(a.given)
	if a.given == nil {
		a.given = map[string]any{}
	}
	a.given[name] = is
	return nil
}

// fieldValue is what a value of a script is to a field.
func fieldValue(v *runtime.View, f packet.Field, val starlark.Value) (any, error) {
	switch f.Shape {
	case packet.Number:
		return number[int](val, 0, 1<<32-1)
	case packet.Flag:
		b, ok := val.(starlark.Bool)
		if !ok {
			return nil, want("bool", val)
		}
		return bool(b), nil
	case packet.MAC:
		if l, ok := val.(*linkValue); ok && !v.Dry() {
			link, err := v.Machine().Read(l.ref)
			if err != nil {
				return nil, err
			}
			return link.MAC.String(), nil
		}
	case packet.IP4, packet.IP6:
		var e endpointArg
		switch val.(type) {
		case *linkValue, *addrValue:
			if err := e.UnpackIn(v, val); err != nil {
				return nil, err
			}
			ip, err := e.own(v, map[packet.Shape]int{packet.IP4: 4, packet.IP6: 6}[f.Shape])
			return ip.String(), err
		}
	case packet.Bytes:
		if b, ok := val.(starlark.Bytes); ok {
			return []byte(b), nil
		}
		return nil, want("bytes", val)
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return nil, want("string", val)
	}
	return s, nil
}

func (a *layerArgs) Query(v *runtime.View) (starlark.Value, error) {
	return &layerValue{v: v, part: &packet.Part{Row: a.Fields.row, Values: a.Fields.given}}, nil
}

// layerValue is a header: one that packet() is to make, or one of a packet that is there.
type layerValue struct {
	v     *runtime.View
	part  *packet.Part
	layer packet.Layer
}

var (
	_ starlark.HasAttrs   = (*layerValue)(nil)
	_ starlark.Comparable = (*layerValue)(nil)
)

func (l *layerValue) Freeze()               {}
func (l *layerValue) Truth() starlark.Bool  { return true }
func (l *layerValue) Type() string          { return "header" }
func (l *layerValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: header") }

func (l *layerValue) String() string {
	if l.part == nil {
		return packet.Line([]packet.Layer{l.layer})
	}
	text := l.part.Row.Name
	for _, name := range slices.Sorted(maps.Keys(l.part.Values)) {
		text += fmt.Sprintf(" %s %v", name, l.part.Values[name])
	}
	return text
}

// CompareSameType makes headers equal that have the same fields.
func (l *layerValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	o := other.(*layerValue)
	return equal(op, "header", reflect.DeepEqual(l.part, o.part) && reflect.DeepEqual(l.layer, o.layer))
}

func (l *layerValue) name() string {
	if l.part != nil {
		return l.part.Row.Name
	}
	return l.layer.Name
}

// fields are those that it has, or was given.
func (l *layerValue) fields() map[string]any {
	if l.part != nil {
		return l.part.Values
	}
	all := map[string]any{}
	for _, f := range l.layer.Fields {
		all[f.Name] = f.Is
	}
	return all
}

func (l *layerValue) Attr(name string) (starlark.Value, error) { return l.v.Attr("header", l, name) }
func (l *layerValue) AttrNames() []string                      { return l.v.AttrNames("header") }

// field is the value of a field. One that the header could have and has not is None.
func (l *layerValue) field(name string) (starlark.Value, error) {
	if is, has := l.fields()[name]; has {
		return fieldOf(is), nil
	}
	if r := packet.Find(l.name()); r != nil {
		if _, could := r.Field(name); could {
			return starlark.None, nil
		}
	}
	return nil, fmt.Errorf("header %s has no field %s: it has %s", l.name(), name,
		strings.Join(slices.Sorted(maps.Keys(l.fields())), ", "))
}

func fieldOf(is any) starlark.Value {
	switch is := is.(type) {
	case int:
		return starlark.MakeInt(is)
	case bool:
		return starlark.Bool(is)
	case []byte:
		return starlark.Bytes(is)
	}
	return starlark.String(is.(string))
}

// headerType has the fields of all rows.
var headerType = &runtime.Type{Name: "header", Doc: "A header of a packet, with the fields that its builtin takes: " +
	"layer.ip's src, for example. One that it could have and has not is None.",
	Attrs: append([]runtime.Attr{
		{Name: "name", Type: "string", Doc: "its name: " + strings.Join(rowNames(), ", ") + ", payload for bytes " +
			"without a header, malformed for what is broken, or that of another protocol, such as dns",
			Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
				return starlark.String(val.(*layerValue).name()), nil
			}},
		{Name: "fields", Type: "dict", Doc: "all its fields; those of a protocol without a builtin, such as dns, " +
			"are called as gopacket does",
			Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
				fields := val.(*layerValue).fields()
				all := starlark.NewDict(len(fields))
				for _, name := range slices.Sorted(maps.Keys(fields)) {
					if err := all.SetKey(starlark.String(name), fieldOf(fields[name])); err != nil {
						return nil, err
					}
				}
				return all, nil
			}},
	}, fieldAttrs()...)}

// fieldAttrs are the fields of all rows, each with the rows that have it, and of bytes without a header.
func fieldAttrs() (all []runtime.Attr) {
	docs, types := map[string][]string{}, map[string]string{}
	add := func(name, typ, doc string) {
		if types[name] != "" && types[name] != typ {
			typ = "any"
		}
		types[name] = typ
		docs[name] = append(docs[name], doc)
	}
	for _, r := range packet.Rows {
		for _, f := range r.Fields {
			if f.Name != "" {
				add(f.Name, valueTypes[f.Shape]+" or None", r.Name+": "+f.Doc)
			}
		}
	}
	add("data", "any", "payload, malformed: the bytes")
	add("error", "string or None", "malformed: what is wrong")
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		all = append(all, runtime.Attr{Name: name, Type: types[name], Doc: strings.Join(docs[name], "; "),
			Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
				return val.(*layerValue).field(name)
			}})
	}
	return all
}

var valueTypes = map[packet.Shape]string{packet.Number: "int", packet.Flag: "bool", packet.MAC: "string",
	packet.IP4: "string", packet.IP6: "string", packet.Flags: "string", packet.Bytes: "bytes", packet.Prefix: "string"}
