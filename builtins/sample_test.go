package builtins

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
)

// A spot is a field of a record that a journal has or could have. Its unit is the struct and the field, wherever that
// is used.
type spot struct {
	unit, path string
	typ        reflect.Type
	there      bool
}

// samples are values of the types of records, such as a journal has. A type of which it has none gets one that is made
// up.
type samples map[reflect.Type]any

// spots are the fields of a record of a type, and of what is in it. What is found there is kept as a sample.
func (s samples) spots(typ reflect.Type, path string, v any) (all []spot) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if v == nil {
		return nil
	}
	if s[typ] == nil {
		s[typ] = v
	}
	if single(typ) {
		return nil
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			all = append(all, s.spots(typ.Elem(), fmt.Sprintf("%s/%d", path, i), e)...)
		}
	case map[string]any:
		if typ.Kind() == reflect.Map {
			for k, e := range v {
				all = append(all, s.spots(typ.Elem(), path+"/"+strings.ReplaceAll(k, "/", "~"), e)...)
			}
			return all
		}
		for name, f := range fieldsOf(typ) {
			e, there := v[name]
			all = append(all, spot{typ.String() + "." + name, path + "/" + name, f, there})
			all = append(all, s.spots(f, path+"/"+name, e)...)
		}
	}
	return all
}

// of is a sample of a type.
func (s samples) of(typ reflect.Type) any {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if v := s[typ]; v != nil {
		return v
	}
	switch {
	case typ == reflect.TypeFor[netip.Prefix]():
		return "10.66.0.0/24"
	case typ == reflect.TypeFor[netip.Addr]():
		return "10.66.0.1"
	case typ.Kind() == reflect.Slice && !single(typ):
		return []any{s.of(typ.Elem())}
	case typ.Kind() == reflect.Map:
		return map[string]any{"x": s.of(typ.Elem())}
	case typ.Kind() == reflect.Struct && !single(typ):
		v := map[string]any{}
		for name, f := range fieldsOf(typ) {
			v[name] = s.of(f)
		}
		return v
	case typ.Kind() == reflect.Bool:
		return true
	case typ.Kind() == reflect.String, single(typ):
		return "x"
	}
	return 1
}

// fieldsOf are the fields of a struct in its JSON form, with their types.
func fieldsOf(typ reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" || !f.IsExported() || name == "-":
		case name == "":
			all[f.Name] = f.Type
		default:
			all[name] = f.Type
		}
	}
	return all
}

// single reports whether the JSON form of a type has no parts.
func single(typ reflect.Type) bool {
	p := reflect.PointerTo(typ)
	return p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8
}

// units are the fields of a type and of all that is in it.
func units(typ reflect.Type, into map[string]bool) {
	for typ.Kind() == reflect.Pointer || (typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map) && !single(typ) {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || single(typ) {
		return
	}
	for name, f := range fieldsOf(typ) {
		if unit := typ.String() + "." + name; !into[unit] {
			into[unit] = true
			units(f, into)
		}
	}
}
