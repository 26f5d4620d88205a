package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// rulesetValue is the ruleset of a namespace, which is read by the program nft when it is asked for.
type rulesetValue struct {
	v  *runtime.View
	ns kernel.NSRef
}

var (
	_ starlark.HasAttrs   = (*rulesetValue)(nil)
	_ starlark.Comparable = (*rulesetValue)(nil)
)

func (r *rulesetValue) Freeze()                               {}
func (r *rulesetValue) Truth() starlark.Bool                  { return true }
func (r *rulesetValue) Type() string                          { return "ruleset" }
func (r *rulesetValue) Hash() (uint32, error)                 { return r.ns.Object().Hash(), nil }
func (r *rulesetValue) String() string                        { return "ruleset of " + r.ns.String() }
func (r *rulesetValue) Attr(n string) (starlark.Value, error) { return r.v.Attr("ruleset", r, n) }
func (r *rulesetValue) AttrNames() []string                   { return r.v.AttrNames("ruleset") }

func (r *rulesetValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "ruleset", r.ns.Object() == other.(*rulesetValue).ns.Object())
}

// list is what `nft list ruleset` prints, with more options.
func (r *rulesetValue) list(options ...string) (string, error) {
	n, err := (&nsValue{r.v, r.ns}).open()
	if err != nil {
		return "", err
	}
	return n.Nft("", append(options, "list", "ruleset")...)
}

// parts are the tables, chains, rules, sets and objects of a ruleset, a dict each.
func (r *rulesetValue) parts() (*starlark.List, error) {
	text, err := r.list("-j")
	if err != nil {
		return nil, err
	}
	val, err := r.v.Call(json.Module.Members["decode"].(starlark.Callable), starlark.Tuple{starlark.String(text)}, nil)
	if err != nil {
		return nil, fmt.Errorf("read what nft says: %w", err)
	}
	all, ok := under(val, "nftables").(*starlark.List)
	if !ok {
		return nil, fmt.Errorf("read what nft says: %.100s", text)
	}
	var parts []starlark.Value
	for part := range starlark.Elements(all) {
		if under(part, "metainfo") == nil {
			parts = append(parts, part)
		}
	}
	return starlark.NewList(parts), nil
}

// under is what a dict has under a key, nil when it has nothing there, or is none.
func under(val starlark.Value, key string) starlark.Value {
	d, ok := val.(*starlark.Dict)
	if !ok {
		return nil
	}
	if found, ok, err := d.Get(starlark.String(key)); ok && err == nil {
		return found
	}
	return nil
}

// text is under a key as a string, "" for none.
func textUnder(val starlark.Value, key string) string {
	s, _ := starlark.AsString(under(val, key))
	return s
}

// tally is what something with packets and bytes has counted.
func tally(of starlark.Value) counted {
	return counted{"counter", starlark.StringDict{"packets": under(of, "packets"), "bytes": under(of, "bytes")}}
}

// namedCounters are a ruleset's counters by their names. A name that several tables have stands behind the table's.
func (r *rulesetValue) namedCounters() (starlark.Value, error) {
	parts, err := r.parts()
	if err != nil {
		return nil, err
	}
	named := map[string]int{}
	var all []starlark.Value
	for part := range starlark.Elements(parts) {
		if c := under(part, "counter"); c != nil {
			named[textUnder(c, "name")]++
			all = append(all, c)
		}
	}
	d := starlark.NewDict(len(all))
	for _, c := range all {
		key := textUnder(c, "name")
		if named[key] > 1 {
			key = tableOf(c) + key
		}
		if err := d.SetKey(starlark.String(key), tally(c)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

var rulesetType = &runtime.Type{Name: "ruleset", Doc: "The ruleset of a namespace as nft(8) shows it, read anew each " +
	"time that it is asked for.",
	Attrs: []runtime.Attr{
		{Name: "text", Type: "string", Doc: "as `nft list ruleset` prints it",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				text, err := r.(*rulesetValue).list()
				return starlark.String(text), err
			}},
		{Name: "data", Type: "list of dict", Aside: true,
			Doc: "its tables, chains, rules, sets and objects, as libnftables-json(5) has them",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return r.(*rulesetValue).parts()
			}},
		{Name: "counters", Type: "dict", Aside: true, Doc: "its named counters, each with packets and bytes: later " +
			"ones minus earlier ones are what was counted in between. One whose name several tables have is under " +
			"\"FAMILY TABLE NAME\"",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return r.(*rulesetValue).namedCounters()
			}},
	}}

var rulesDecl = runtime.Query("ruleset.rules", "list of struct",
	"Lists the rules of chains of that name in their order, each with family, table, chain, handle, comment (None "+
		"when it has none), counter (packets and bytes of its first counter; None when it has none) and expr, a list "+
		"of dict as libnftables-json(5) has it.", &rulesArgs{}).Needing("nft")

type rulesArgs struct {
	Ruleset *rulesetValue `arg:"ruleset" doc:"the ruleset"`
	Chain   string        `arg:"chain?" doc:"name of the chain; all of them when left out"`
	Table   string        `arg:"table?" doc:"name of the table that the chain is in; all of them when left out"`
}

func (a *rulesArgs) Query(*runtime.View) (starlark.Value, error) {
	parts, err := a.Ruleset.parts()
	if err != nil {
		return nil, err
	}
	in := func(part starlark.Value, chain string) bool {
		return part != nil && (a.Chain == "" || textUnder(part, chain) == a.Chain) &&
			(a.Table == "" || textUnder(part, "table") == a.Table)
	}
	named := map[string]starlark.Value{}
	var all []starlark.Value
	known := a.Chain == "" && a.Table == ""
	for part := range starlark.Elements(parts) {
		known = known || in(under(part, "chain"), "name")
		if c := under(part, "counter"); c != nil {
			named[tableOf(c)+textUnder(c, "name")] = tally(c)
		}
	}
	for part := range starlark.Elements(parts) {
		rule := under(part, "rule")
		if !in(rule, "chain") {
			continue
		}
		fields := starlark.StringDict{"comment": starlark.None, "counter": starlark.None}
		for _, name := range []string{"family", "table", "chain", "handle", "comment", "expr"} {
			if v := under(rule, name); v != nil {
				fields[name] = v
			}
		}
		exprs, ok := fields["expr"].(*starlark.List)
		for i := 0; ok && i < exprs.Len() && fields["counter"] == starlark.None; i++ {
			switch c := under(exprs.Index(i), "counter").(type) {
			case nil:
			case starlark.String:
				fields["counter"] = named[tableOf(rule)+string(c)]
			default:
				fields["counter"] = tally(c)
			}
		}
		all = append(all, newStruct("rule", fields))
	}
	if !known {
		return nil, fmt.Errorf("ruleset.rules: %s has no chain %q", a.Ruleset, strings.TrimSpace(a.Table+" "+a.Chain))
	}
	return starlark.NewList(all), nil
}

// tableOf is the table of a part, by its family and name, and what is put before a name in it.
func tableOf(part starlark.Value) string {
	return textUnder(part, "family") + " " + textUnder(part, "table") + " "
}
