package builtins

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// attributes are the parameters of a builtin as netlink attributes: those fields of its struct that are tagged
// `nla:"NUMBER,FORM"` and were given. FORM is u8, u16, u32, be16, string, ip, mac or link, or one that the field's
// type has itself. An address has one number for IPv4 and one for IPv6, as in "4|17,ip".
func attributes(args any) (attrs []byte, err error) {
	v := reflect.Indirect(reflect.ValueOf(args))
	for _, f := range reflect.VisibleFields(v.Type()) {
		tag, ok := f.Tag.Lookup("nla")
		field := v.FieldByIndex(f.Index)
		if !ok || field.Kind() == reflect.Pointer && field.IsNil() {
			continue
		}
		numbers, form, _ := strings.Cut(tag, ",")
		number, second, _ := strings.Cut(numbers, "|")
		value, err := attribute(reflect.Indirect(field), form)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", strings.TrimRight(f.Tag.Get("arg"), "?"), err)
		}
		if form == "ip" && second != "" && len(value) == net.IPv6len {
			number = second
		}
		typ, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		attrs = kernel.AppendAttr(attrs, typ, value)
	}
	return attrs, nil
}

func attribute(v reflect.Value, form string) ([]byte, error) {
	switch own := v.Interface().(type) {
	case interface {
		attribute(form string) ([]byte, error)
	}:
		return own.attribute(form)
	case linkArg:
		return binary.NativeEndian.AppendUint32(nil, uint32(own.Index)), nil
	case ipArg:
		return netip.Addr(own.Addr).AsSlice(), nil
	}
	switch form {
	case "string":
		return append([]byte(v.String()), 0), nil
	case "mac":
		return net.ParseMAC(v.String())
	}
	var n uint64
	switch {
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			n = 1
		}
	case v.CanUint():
		n = v.Uint()
	default:
		n = uint64(v.Int())
	}
	switch bits := map[string]int{"u8": 8, "u16": 16, "be16": 16, "u32": 32}[form]; {
	case bits < 64 && n>>bits != 0:
		return nil, fmt.Errorf("%d is not from 0 to %d", n, uint64(1)<<bits-1)
	case bits == 8:
		return []byte{byte(n)}, nil
	case form == "be16":
		return binary.BigEndian.AppendUint16(nil, uint16(n)), nil
	case bits == 16:
		return binary.NativeEndian.AppendUint16(nil, uint16(n)), nil
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(n)), nil
}
