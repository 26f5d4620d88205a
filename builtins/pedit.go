package builtins

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// peditAction changes parts of headers (tc-pedit(8)).
var peditAction = declareTC(tcKind{Name: "pedit", Args: &peditArgs{Control: controls["pipe"]},
	Sizes: map[int]int{4: sizeofPeditSel},
	Lists: []int{5}, Module: "act_pedit", Config: "NET_ACT_PEDIT", Fill: fillPedit, Shown: showPedit,
	Doc: "Changes parts of the packet's headers, without their checksums, which action.csum makes right",
	Eg:  "munge=ip ttl set 63"})

type peditArgs struct {
	Munge   munges   `arg:"munge" nla:"~1" ip:"ex" doc:"what to change, one or a list: \"ip ttl set 63\", \"ip src set 10.0.0.9\", \"ip6 hoplimit add 255\", \"eth dst set 02:00:00:00:00:01\", \"ip tos set 0x10 retain 0xfc\", \"tcp dport set 80\", \"udp sport set 53\""`
	_       struct{} `arg:"*"`
	Control control  `arg:"control?" nla:"4+8" zero:"yes" doc:"what becomes of it then: pipe (the next action), ok, drop, reclassify, continue or \"goto chain 7\""`
}

func (a *peditArgs) Query(*runtime.View) (starlark.Value, error) { return newAction(peditAction, a) }

// Of pedit's parameters (linux/tc_act/tc_pedit.h): the struct tc_pedit_sel with the keys behind it, and what these are
// of, in one attribute each.
const (
	sizeofPeditSel = 24
	sizeofPeditKey = 24
	peditCount     = 20 // where the number of keys is
	peditKeyEx     = 6  // TCA_PEDIT_KEY_EX
	peditAdd       = 1  // TCA_PEDIT_KEY_EX_CMD_ADD
)

// A peditKey is four bytes of a header, which of them stay, and what is set in the others or added to them.
type peditKey struct {
	header, command uint16
	at              uint32
	mask, value     [4]byte
}

func fillPedit(o *tcOptions, _ map[string]kindAttr) error {
	keys := o.attrs[attrPlace(hiddenAt+1)]
	sel := slices.Clone(o.room(tcPlace{0, 4, 0}, sizeofPeditSel)[:sizeofPeditSel])
	var of []byte
	for ; len(keys) > 0; keys = keys[16:] {
		key := make([]byte, sizeofPeditKey) // struct tc_pedit_key: mask, value, offset ...
		copy(key, keys[8:16])
		copy(key[8:], keys[4:8])
		sel = append(sel, key...)
		sel[peditCount]++
		of = kernel.AppendAttr(of, peditKeyEx|unix.NLA_F_NESTED,
			kernel.AppendAttr(kernel.AppendAttr(nil, 1, keys[:2]), 2, keys[2:4]))
	}
	o.attrs[attrPlace(4)], o.attrs[attrPlace(5)] = sel, of
	return nil
}

func showPedit(o *tcOptions) {
	sel := o.attrs[attrPlace(4)]
	if len(sel) < sizeofPeditSel {
		return
	}
	var keys []byte
	sel = sel[sizeofPeditSel:]
	for _, of := range kernel.Attrs(o.attrs[attrPlace(5)]) {
		if len(sel) < sizeofPeditKey {
			break
		}
		keys = append(keys, kernel.InfoAttr(of, 1)...)
		keys = append(keys, kernel.InfoAttr(of, 2)...)
		keys = append(append(keys, sel[8:12]...), sel[:8]...)
		sel = sel[sizeofPeditKey:]
	}
	o.attrs[attrPlace(hiddenAt+1)] = keys
}

// A peditField is a part of a header (tc-pedit(8)).
type peditField struct {
	name   string
	header uint16
	at     int
	size   int
}

// peditFields are those that have a name. Their headers are TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, IP4, IP6, TCP and UDP.
var peditFields = []peditField{
	{"eth dst", 1, 0, 6}, {"eth src", 1, 6, 6}, {"eth type", 1, 12, 2},
	{"ip src", 2, 12, 4}, {"ip dst", 2, 16, 4}, {"ip tos", 2, 1, 1}, {"ip ttl", 2, 8, 1}, {"ip protocol", 2, 9, 1},
	{"ip6 src", 3, 8, 16}, {"ip6 dst", 3, 24, 16}, {"ip6 nexthdr", 3, 6, 1}, {"ip6 hoplimit", 3, 7, 1},
	{"tcp sport", 4, 0, 2}, {"tcp dport", 4, 2, 2}, {"tcp flags", 4, 13, 1},
	{"udp sport", 5, 0, 2}, {"udp dport", 5, 2, 2},
}

// A munge is a field, what is done to it, and with which bits of it.
type munge struct {
	field       peditField
	add         bool
	value, bits []byte
}

// keys are those of a munge: one for each four bytes that the field is in.
func (m munge) keys() (all []peditKey) {
	for at := m.field.at &^ 3; at < m.field.at+m.field.size; at += 4 {
		k := peditKey{header: m.field.header, at: uint32(at), mask: [4]byte{0xff, 0xff, 0xff, 0xff}}
		if m.add {
			k.command = peditAdd
		}
		for i := range 4 {
			if of := at + i - m.field.at; of >= 0 && of < m.field.size {
				k.mask[i], k.value[i] = ^m.bits[of], m.value[of]&m.bits[of]
			}
		}
		all = append(all, k)
	}
	return all
}

func (m munge) String() string {
	verb := map[bool]string{true: "add", false: "set"}[m.add]
	text := "munge " + m.field.name + " " + verb + " " + m.field.text(m.value)
	if !allOnes(m.bits) {
		text += " retain 0x" + strconv.FormatUint(uint64(decodeNumber[width64](reversed(m.bits))), 16)
	}
	return text
}

func reversed(data []byte) []byte {
	data = slices.Clone(data)
	slices.Reverse(data)
	return data
}

// text is a value of the field.
func (f peditField) text(value []byte) string {
	switch f.size {
	case net.IPv4len, net.IPv6len:
		ip, _ := netip.AddrFromSlice(value)
		return ip.String()
	case sizeofMAC:
		return net.HardwareAddr(value).String()
	}
	return itoa(decodeNumber[width64](reversed(value)))
}

// parse is a value of the field, of its size.
func (f peditField) parse(s string) ([]byte, error) {
	switch f.size {
	case net.IPv4len, net.IPv6len:
		ip, err := netip.ParseAddr(s)
		if err == nil && len(ip.AsSlice()) != f.size {
			err = fmt.Errorf("%s is of the other family", s)
		}
		return ip.AsSlice(), err
	case sizeofMAC:
		mac, err := net.ParseMAC(s)
		if err == nil && len(mac) != sizeofMAC {
			err = fmt.Errorf("%s is no link-layer address", s)
		}
		return mac, err
	}
	n, err := strconv.ParseUint(s, 0, 8*f.size)
	return binary.BigEndian.AppendUint64(nil, n)[8-f.size:], err
}

// munges are what pedit changes.
type munges []munge

func (munges) ArgType() string { return "string or list of string" }

func (a *munges) Unpack(val starlark.Value) error {
	all, err := stringsOf(val)
	if err != nil {
		return err
	}
	for _, s := range all {
		words := strings.Fields(s)
		if len(words) != 4 && len(words) != 6 || words[2] != "set" && words[2] != "add" ||
			len(words) == 6 && words[4] != "retain" {
			return fmt.Errorf(`%q is no change such as "ip ttl set 63", or "ip tos set 0x10 retain 0xfc"`, s)
		}
		i := slices.IndexFunc(peditFields, func(f peditField) bool { return f.name == words[0]+" "+words[1] })
		if i < 0 {
			var names []string
			for _, f := range peditFields {
				names = append(names, f.name)
			}
			return fmt.Errorf("%q is none of %s", words[0]+" "+words[1], strings.Join(names, ", "))
		}
		m := munge{field: peditFields[i], add: words[2] == "add",
			bits: slices.Repeat([]byte{0xff}, peditFields[i].size)}
		if m.value, err = m.field.parse(words[3]); err == nil && len(words) == 6 {
			m.bits, err = m.field.parse(words[5])
		}
		if err != nil {
			return fmt.Errorf("%q: %w", s, err)
		}
		*a = append(*a, m)
	}
	if len(*a) == 0 || len(a.keys()) > 255 {
		return fmt.Errorf("%d changes are too few or too many", len(*a))
	}
	return nil
}

func (a munges) keys() (all []peditKey) {
	for _, m := range a {
		all = append(all, m.keys()...)
	}
	return all
}

// encode is header, command, offset, mask and value of each key.
func (a munges) encode() (data []byte) {
	for _, k := range a.keys() {
		data = binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(data, k.header), k.command)
		data = binary.NativeEndian.AppendUint32(data, k.at)
		data = append(append(data, k.mask[:]...), k.value[:]...)
	}
	return data
}

// decode finds the fields that keys are of. Keys that are of none have no words.
func (a *munges) decode(data []byte) {
	var keys []peditKey
	for ; len(data) >= 16; data = data[16:] {
		keys = append(keys, peditKey{binary.NativeEndian.Uint16(data), binary.NativeEndian.Uint16(data[2:]),
			binary.NativeEndian.Uint32(data[4:]), [4]byte(data[8:12]), [4]byte(data[12:16])})
	}
	for *a = nil; len(keys) > 0; {
		used := 1
		for _, f := range peditFields {
			if m, n := f.of(keys); n > 0 {
				*a, used = append(*a, m), n
				break
			}
		}
		keys = keys[used:]
	}
}

// of is what the first keys do to the field, and how many they are; 0 when they do nothing to it alone.
func (f peditField) of(keys []peditKey) (m munge, used int) {
	m = munge{field: f, add: keys[0].command == peditAdd}
	used = (f.at&3 + f.size + 3) / 4
	if len(keys) < used {
		return m, 0
	}
	for i := range f.size {
		k := keys[(f.at&3+i)/4]
		m.bits = append(m.bits, ^k.mask[(f.at+i)&3])
		m.value = append(m.value, k.value[(f.at+i)&3])
	}
	if !slices.Equal(m.keys(), keys[:used]) || strings.Trim(string(m.bits), "\x00") == "" {
		return m, 0
	}
	return m, used
}

func (a munges) all() (all []string) {
	for _, m := range a {
		all = append(all, m.String())
	}
	return all
}

func (a munges) ip(word string) string { return word + " " + strings.Join(a.all(), " ") }
func (a munges) value() starlark.Value {
	var all []string
	for _, s := range a.all() {
		all = append(all, strings.TrimPrefix(s, "munge "))
	}
	return stringList(all)
}
