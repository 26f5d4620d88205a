package builtins

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var countersDecl = runtime.Query("counters", "struct",
	"What the protocols of a namespace have counted, under the names of /proc/net/snmp, snmp6 and netstat (RFC 4293, "+
		"RFC 4022 and RFC 4113): counters(n).Ip.InReceives, .Icmp.InEchos, .Ip6.OutForwDatagrams, .Tcp.RetransSegs, "+
		".TcpExt.ListenDrops. They stay as they were then; later ones minus earlier ones are what was counted in "+
		"between. It prints those that are not 0.", &countersArgs{})

type countersArgs struct {
	NS nsArg `arg:"ns" doc:"namespace whose counters to read"`
}

func (a *countersArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	all, err := n.Counters()
	if err != nil {
		return nil, err
	}
	groups := counted{"counters", starlark.StringDict{}}
	for group, counters := range all {
		parts := starlark.StringDict{}
		for name, value := range counters {
			parts[name] = starlark.MakeInt64(value)
		}
		groups.parts[group] = counted{group, parts}
	}
	return groups, nil
}

// counted are counters in groups, or those of a group.
type counted struct {
	name  string
	parts starlark.StringDict
}

var (
	_ starlark.HasAttrs  = counted{}
	_ starlark.HasBinary = counted{}
)

func (counted) Freeze()                 {}
func (counted) Truth() starlark.Bool    { return true }
func (counted) Type() string            { return "counters" }
func (c counted) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", c.Type()) }
func (c counted) AttrNames() []string   { return slices.Sorted(maps.Keys(c.parts)) }

// byType are counters that are there only when they are not 0.
var byType = regexp.MustCompile(`^(In|Out)Type[0-9]+$`)

func (c counted) Attr(name string) (starlark.Value, error) {
	if v, ok := c.parts[name]; ok {
		return v, nil
	} else if (c.name == "IcmpMsg" || c.name == "Icmp6") && byType.MatchString(name) {
		return starlark.MakeInt(0), nil
	}
	return nil, nil
}

// Binary subtracts earlier counters.
func (c counted) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	earlier, ok := y.(counted)
	if op != syntax.MINUS || !ok || side == starlark.Right || c.name != earlier.name {
		return nil, nil
	}
	between := counted{c.name, starlark.StringDict{}}
	for name, now := range c.parts {
		was, ok := earlier.parts[name]
		if !ok {
			between.parts[name] = now // it was 0
			continue
		}
		d, err := starlark.Binary(syntax.MINUS, now, was)
		if err != nil {
			return nil, err
		}
		between.parts[name] = d
	}
	return between, nil
}

// String has the counters that are not 0.
func (c counted) String() string {
	var parts []string
	for _, name := range c.AttrNames() {
		switch v := c.parts[name].(type) {
		case counted:
			if text := v.String(); text != v.name+"()" {
				parts = append(parts, text)
			}
		case starlark.Int:
			if v.Sign() != 0 {
				parts = append(parts, name+" = "+v.String())
			}
		}
	}
	return c.name + "(" + strings.Join(parts, ", ") + ")"
}

// linkStats are what a link has counted.
func linkStats(l *kernel.Link) starlark.Value {
	stats := counted{"stats", starlark.StringDict{}}
	of := reflect.ValueOf(l.Stats)
	for i := range of.NumField() {
		// RxFifoErrors is rx_fifo_errors
		name := strings.ToLower(strings.TrimPrefix(capital.ReplaceAllString(of.Type().Field(i).Name, "_$0"), "_"))
		stats.parts[name] = starlark.MakeUint64(of.Field(i).Uint())
	}
	return stats
}

var capital = regexp.MustCompile(`[A-Z]`)
