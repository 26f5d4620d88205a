package packet

import (
	"fmt"
	"net"
	"reflect"
	"strings"
	"unicode"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A Layer is a header of a frame, or what no header is known of.
type Layer struct {
	Name   string
	Fields []Value
	Data   []byte // its bytes, and all that follow
}

// A Value is that of a field: an int, a bool, a string or bytes.
type Value struct {
	Name string
	Is   any
}

// Field is the value of a field, or nil.
func (l Layer) Field(name string) any {
	for _, v := range l.Fields {
		if v.Name == name {
			return v.Is
		}
	}
	return nil
}

// icmp6Messages are the rows for types of ICMPv6.
var icmp6Messages = map[byte]string{133: "rs", 134: "ra", 135: "ns", 136: "na"}

// Decode finds the headers of an Ethernet frame, as far as they can be told. The rest is the payload; what is broken is
// malformed.
func Decode(frame []byte) []Layer {
	return decode(frame, layers.LayerTypeEthernet)
}

// DecodeIP finds the headers of a packet without a link-layer header.
func DecodeIP(b []byte) []Layer {
	if len(b) > 0 && b[0]>>4 == 6 {
		return decode(b, layers.LayerTypeIPv6)
	}
	return decode(b, layers.LayerTypeIPv4)
}

func decode(b []byte, first gopacket.LayerType) (all []Layer) {
	p := gopacket.NewPacket(b, first, gopacket.DecodeOptions{NoCopy: true})
	for _, l := range p.Layers() {
		all = append(all, decoded(l)...)
	}
	return all
}

// decoded is a layer of gopacket's, with the names of a row if there is one.
func decoded(l gopacket.Layer) []Layer {
	data := l.LayerContents()
	whole := append(data[:len(data):len(data)], l.LayerPayload()...)
	switch l := l.(type) {
	case *layers.ICMPv6Echo, *layers.ICMPv6RouterSolicitation, *layers.ICMPv6RouterAdvertisement,
		*layers.ICMPv6NeighborSolicitation, *layers.ICMPv6NeighborAdvertisement:
		return nil // they are a part of ICMPv6's layer
	case *gopacket.DecodeFailure:
		if why := l.Error().Error(); strings.HasPrefix(why, "Unable to decode ") ||
			strings.HasPrefix(why, "Layer type not currently supported") { // nothing is known of what follows
			return []Layer{{"payload", []Value{{"data", whole}}, whole}}
		}
		return []Layer{{"malformed", []Value{{"error", l.Error().Error()}, {"data", whole}}, whole}}
	case *gopacket.Payload, *gopacket.Fragment:
		return []Layer{{"payload", []Value{{"data", whole}}, whole}}
	case *layers.ICMPv6:
		r := Find("icmp6")
		if len(whole) > 0 && icmp6Messages[whole[0]] != "" {
			r = Find(icmp6Messages[whole[0]])
		}
		return []Layer{r.read(whole, whole)}
	}
	for _, r := range Rows {
		if r.of == l.LayerType() && r.of != 0 {
			return []Layer{r.read(data, whole)}
		}
	}
	return []Layer{{strings.ToLower(l.LayerType().String()), reflected(reflect.ValueOf(l)), whole}}
}

// read is the fields of a header. One that ends too early has those that it has.
func (r *Row) read(b, whole []byte) Layer {
	l := Layer{Name: r.Name, Data: whole}
	for _, f := range r.Fields {
		if f.Name != "" && !f.Optional && (f.at+f.Bits+7)/8 <= len(b) {
			l.Fields = append(l.Fields, Value{f.Name, f.Get(b)})
		}
	}
	if r.optional != nil && len(b) >= r.length() && len(b) > 0 {
		l.Fields = append(l.Fields, r.optional(b)...)
	}
	return l
}

// reflected is the fields of a layer without a row that have a simple value.
func reflected(v reflect.Value) (all []Value) {
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f, at := v.Type().Field(i), v.Field(i)
		if !f.IsExported() || f.Anonymous {
			continue
		}
		if is := simple(at); is != nil {
			all = append(all, Value{snake(f.Name), is})
		}
	}
	return all
}

func simple(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case net.IP:
		return x.String()
	case net.HardwareAddr:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int(v.Uint())
	case reflect.String:
		return v.String()
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append([]byte{}, v.Bytes()...)
		}
	}
	return nil
}

// snake is a name of Go's as one of Starlark: SrcPort is src_port.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(rune(name[i-1])) ||
			i+1 < len(name) && unicode.IsLower(rune(name[i+1]))) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Line is the layers as one readable line.
func Line(all []Layer) string {
	var words []string
	for _, l := range all {
		words = append(words, l.line())
	}
	return strings.Join(words, " / ")
}

// shown are the fields that a line has of a layer.
var shown = map[string][]string{"ether": {"src", "dst"}, "vlan": {"id"}, "arp": {"op", "spa", "tpa"}, "ip": {"src",
	"dst"},
	"ip6": {"src", "dst"}, "icmp": {"type", "code"}, "icmp6": {"type", "code"}, "ns": {"target"}, "na": {"target"},
	"udp": {"sport", "dport"}, "tcp": {"sport", "dport", "flags"}, "gre": {"type"}, "vxlan": {"id"}, "geneve": {"id"},
	"mpls": {"label"}, "malformed": {"error"}}

func (l Layer) line() string {
	text := l.Name
	for _, name := range shown[l.Name] {
		if v := l.Field(name); v != nil {
			text += fmt.Sprintf(" %s %v", name, v)
		}
	}
	if l.Name == "payload" {
		text += fmt.Sprintf(" of %d bytes", len(l.Data))
	}
	return text
}
