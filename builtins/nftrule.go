package builtins

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// addRule adds a rule to chains of the table that is nsscript's own, under a name that no other rule there has.
func addRule(tx *runtime.Tx, ns kernel.NSRef, kind string, chains []string, links, matches []kernel.Term,
	verdict kernel.Term) (starlark.Value, error) {
	n, err := tx.Machine().Namespace(ns)
	if err != nil {
		return nil, err
	}
	found, err := n.FindOwn()
	if err != nil {
		return nil, err
	}
	next := 1
	for _, f := range found {
		if number, err := strconv.Atoi(strings.TrimPrefix(f.Name, kind+" ")); err == nil && number >= next {
			next = number + 1
		}
	}
	name := fmt.Sprintf("%s %d", kind, next)
	var rules []kernel.OwnRule
	for _, c := range chains {
		rules = append(rules, kernel.OwnRule{Chain: c, Name: name,
			Terms: slices.Concat(links, matches, []kernel.Term{kernel.Count(), verdict})})
	}
	text, msgs := kernel.OwnRules(rules)
	if err := tx.Apply(&changeRules{NS: ns, Text: text, Msgs: msgs}); err != nil {
		return nil, err
	}
	return &ruleOfOwn{tx.View, ns, name}, nil
}

// ruleOfOwn is a rule in the table that is nsscript's own, which can be several: one a chain.
type ruleOfOwn struct {
	v    *runtime.View
	ns   kernel.NSRef
	name string
}

var (
	_ starlark.HasAttrs   = (*ruleOfOwn)(nil)
	_ starlark.Comparable = (*ruleOfOwn)(nil)
)

func (r *ruleOfOwn) Freeze()                                  {}
func (r *ruleOfOwn) Truth() starlark.Bool                     { return true }
func (r *ruleOfOwn) Type() string                             { return "nft_rule" }
func (r *ruleOfOwn) Hash() (uint32, error)                    { return starlark.String(r.name).Hash() }
func (r *ruleOfOwn) String() string                           { return r.name + " of " + r.ns.String() }
func (r *ruleOfOwn) Attr(name string) (starlark.Value, error) { return r.v.Attr("nft_rule", r, name) }
func (r *ruleOfOwn) AttrNames() []string                      { return r.v.AttrNames("nft_rule") }

func (r *ruleOfOwn) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	o := other.(*ruleOfOwn)
	return equal(op, "nft_rule", r.name == o.name && r.ns.Object() == o.ns.Object())
}

// found are the rules of its name that are there.
func (r *ruleOfOwn) found() ([]kernel.FoundRule, error) {
	n, err := (&nsValue{r.v, r.ns}).open()
	if err != nil {
		return nil, err
	}
	all, err := n.FindOwn()
	all = slices.DeleteFunc(all, func(f kernel.FoundRule) bool { return f.Name != r.name })
	if err == nil && len(all) == 0 {
		err = &kernel.Error{Op: "read rule", Object: r.name, NS: r.ns.String(), Err: kernel.ErrGone}
	}
	return all, err
}

var ownRuleType = &runtime.Type{Name: "nft_rule", Doc: "A rule in the table inet nsscript of nftables. Its name is " +
	"the comment that nft(8) shows.",
	Attrs: []runtime.Attr{
		{Name: "name", Type: "string", Doc: "its name: \"dnat 1\"",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*ruleOfOwn).name), nil
			}},
		{Name: "counter", Type: "struct", Doc: "packets and bytes that it was for, so far: later ones minus earlier " +
			"ones are what was counted in between. One of NAT counts the first packet of each connection",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				all, err := r.(*ruleOfOwn).found()
				var packets, bytes uint64
				for _, f := range all {
					packets, bytes = packets+f.Packets, bytes+f.Bytes
				}
				return counted{"counter", starlark.StringDict{"packets": starlark.MakeUint64(packets),
					"bytes": starlark.MakeUint64(bytes)}}, err
			}},
	}}

var ownRuleDeleteDecl = runtime.Change("nft_rule.delete", "None", "Deletes the rule.", &ownRuleDeleteArgs{})

type ownRuleDeleteArgs struct {
	Rule *ruleOfOwn `arg:"nft_rule" doc:"the rule"`
	_    struct{}   `arg:"*"`
	runtime.Irreversible
}

func (a *ownRuleDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	found, err := a.Rule.found()
	if err != nil {
		return nil, err
	}
	text, msgs := kernel.DeleteOwn(found)
	return nil, tx.Apply(&changeRules{NS: a.Rule.ns, Text: text, Msgs: msgs})
}
