package builtins

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime/diff"
	"github.com/nsscript/nsscript/runtime/script"
)

const (
	outlineWidth = 76   // of what stands in one line
	mostShown    = 2000 // bytes of one value
	mostLines    = 40   // of a difference, or of a text
)

// outline is a value with one of its elements a line, and those that are too wide with theirs: keys are sorted, so that
// equal values have equal outlines.
func outline(v starlark.Value) string {
	var o outliner
	if s, ok := starlark.AsString(v); ok {
		for line := range strings.Lines(s) {
			o.b.WriteString(visible(line))
		}
		return o.b.String()
	}
	o.items(v, 0, nil)
	return o.b.String()
}

// visible is a line of a text in which nothing is that cannot be seen.
func visible(line string) string {
	text, ended := strings.CutSuffix(line, "\n")
	if strings.TrimRight(text, " ") != text ||
		strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	if ended {
		text += "\n"
	}
	return text
}

type outliner struct{ b strings.Builder }

// items writes the elements of a value, each in a line or more.
func (o *outliner) items(v starlark.Value, indent int, path []starlark.Value) {
	_, _, all := elements(v)
	path = append(path, v)
	for _, p := range all {
		margin := strings.Repeat(" ", indent)
		text, fits := flat(p.value, outlineWidth-indent-len(p.label), path)
		open, end, inner := elements(p.value)
		if fits || inner == nil || within(path, p.value) {
			fmt.Fprintf(&o.b, "%s%s%s,\n", margin, p.label, cmp.Or(text, script.Show(p.value)))
			continue
		}
		fmt.Fprintf(&o.b, "%s%s%s\n", margin, p.label, open)
		o.items(p.value, indent+2, path)
		fmt.Fprintf(&o.b, "%s%s,\n", margin, end)
	}
}

// flat is a value in one line, and whether it fits into that.
func flat(v starlark.Value, width int, path []starlark.Value) (string, bool) {
	open, end, all := elements(v)
	if all == nil || within(path, v) {
		text := v.String()
		return text, len(text) <= width
	}
	path = append(path, v)
	text := open
	for i, p := range all {
		if i > 0 {
			text += ", "
		}
		inner, fits := flat(p.value, width-len(text)-len(p.label), path)
		if !fits {
			return "", false
		}
		text += p.label + inner
	}
	if _, tuple := v.(starlark.Tuple); tuple && len(all) == 1 {
		text += ","
	}
	return text + end, len(text)+len(end) <= width
}

// within tells whether a value is written that holds itself.
func within(path []starlark.Value, v starlark.Value) bool {
	for _, around := range path {
		if list, ok := v.(*starlark.List); ok && around == starlark.Value(list) {
			return true
		}
		if dict, ok := v.(*starlark.Dict); ok && around == starlark.Value(dict) {
			return true
		}
	}
	return false
}

// An element of a value has its name or key before it.
type element struct {
	label string
	value starlark.Value
}

// elements are what a value consists of, and what stands around them; nil when it has none.
func elements(v starlark.Value) (open, end string, all []element) {
	bare := func(of starlark.Iterable) (all []element) {
		for e := range starlark.Elements(of) {
			all = append(all, element{"", e})
		}
		return all
	}
	byText := func(a, b element) int {
		return cmp.Or(strings.Compare(a.label, b.label), strings.Compare(a.value.String(), b.value.String()))
	}
	switch v := v.(type) {
	case *starlark.List:
		return "[", "]", bare(v)
	case starlark.Tuple:
		return "(", ")", bare(v)
	case *starlark.Set:
		all = bare(v)
		slices.SortFunc(all, byText)
		return "set([", "])", all
	case *starlark.Dict:
		for key, e := range v.Entries() {
			all = append(all, element{key.String() + ": ", e})
		}
		slices.SortFunc(all, byText)
		return "{", "}", all
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			if e, err := v.Attr(name); err == nil { // it has what it names
				all = append(all, element{name + " = ", e})
			}
		}
		return strings.Trim(v.Constructor().String(), `"`) + "(", ")", all
	}
	return "", "", nil
}

// difference shows where two long values of one type differ, "" when they are short or have no parts to compare.
func difference(a, b starlark.Value) string {
	if a.Type() != b.Type() || script.Writable(a, b) != nil {
		return ""
	}
	if s, ok := starlark.AsString(a); ok {
		t, _ := starlark.AsString(b)
		if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") &&
			!strings.Contains(strings.TrimSuffix(t, "\n"), "\n") {
			return firstDifference(s, t)
		}
	} else {
		_, _, some := elements(a)
		_, _, others := elements(b)
		if len(some)+len(others) == 0 || len(a.String()) <= outlineWidth && len(b.String()) <= outlineWidth {
			return ""
		}
	}
	if text := diff.Unified("a", outline(a), "b", outline(b)); text != "" {
		return block(text)
	}
	return ""
}

// firstDifference says where two long texts of one line differ.
func firstDifference(s, t string) string {
	at := 0
	for at < min(len(s), len(t)) && s[at] == t[at] {
		at++
	}
	if max(len(s), len(t)) <= outlineWidth || at == 0 {
		return ""
	}
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	around := func(s string) string { return shorten(strconv.Quote(s[min(at, len(s)):]), 40) }
	return fmt.Sprintf("\n  a: %s\n  b: %s\n  they are alike for %d bytes, then a has %s and b %s",
		shorten(strconv.Quote(s), mostShown),
		shorten(strconv.Quote(t), mostShown), at, around(s), around(t))
}

// block is a text of several lines below a message.
func block(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var b strings.Builder
	for i, line := range lines {
		if i == mostLines || b.Len() > 8*mostShown {
			fmt.Fprintf(&b, "\n  ... and %s more", script.Count(len(lines)-i, "line"))
			break
		}
		b.WriteString("\n  " + shorten(line, mostShown))
	}
	return b.String()
}

// shown is a value in a message, under its name: in a line, or below it when it is a text of several.
func shown(name string, v starlark.Value) string {
	if s, ok := starlark.AsString(v); ok && strings.Contains(strings.TrimSuffix(s, "\n"), "\n") {
		return fmt.Sprintf("\n  %s:%s", name, strings.ReplaceAll(block(outline(v)), "\n", "\n  "))
	}
	return fmt.Sprintf("\n  %s: %s", name, shorten(script.Show(v), mostShown))
}

// shorten leaves out the end of what is too long.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	at := most
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:at], len(text))
}
