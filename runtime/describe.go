package runtime

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// Signature is how the builtin is called, as one line of Starlark.
func (d *Decl) Signature() string {
	params := d.Params
	if d.isMethod() {
		params = params[1:]
	}
	var parts []string
	star := false
	for _, p := range params {
		if p.Keyword && !star {
			parts, star = append(parts, "*"), true
		}
		switch {
		case p.Rest != "":
			parts, star = append(parts, p.Rest+p.Name), true
		case p.Required:
			parts = append(parts, p.Name)
		default:
			parts = append(parts, p.Name+"="+p.Default)
		}
	}
	sig := d.Name + "(" + strings.Join(parts, ", ") + ")"
	if d.Result != "" && d.Result != "None" {
		sig += " -> " + d.Result
	}
	return sig
}

// isMethod: a method's first parameter is named after its type.
func (d *Decl) isMethod() bool {
	recv, _, dotted := strings.Cut(d.Name, ".")
	return dotted && len(d.Params) > 0 && d.Params[0].Name == recv
}

// Help is the builtin's whole reference as text for a terminal, or as Markdown.
func (d *Decl) Help(markdown bool) string {
	var b strings.Builder
	if markdown {
		fmt.Fprintf(&b, "### %s\n\n```\n%s\n```\n\n%s\n", d.Name, d.Signature(), d.Doc)
	} else {
		fmt.Fprintf(&b, "%s\n\n    %s\n", d.Signature(), strings.ReplaceAll(d.Doc, "\n", "\n    "))
	}
	params := d.Params
	if d.isMethod() {
		params = params[1:]
	}
	if len(params) > 0 {
		b.WriteByte('\n')
	}
	for _, p := range params {
		how := p.Type
		if !p.Required && p.Rest == "" && p.Default != "None" {
			how += ", default " + p.Default
		}
		if markdown {
			fmt.Fprintf(&b, "- `%s%s` (%s): %s\n", p.Rest, p.Name, how, p.Doc)
		} else {
			fmt.Fprintf(&b, "    %-10s %s (%s)\n", p.Rest+p.Name, p.Doc, how)
		}
	}
	return b.String()
}

// Summary is the first sentence of a doc.
func Summary(doc string) string {
	if i := strings.Index(doc, ". "); i >= 0 {
		doc = doc[:i+1]
	}
	return strings.Join(strings.Fields(doc), " ")
}

// Help finds what a name means: a builtin, a type, a type's attribute or a module; "" when it means nothing.
func (voc *Vocabulary) Help(name string, markdown bool) string {
	for _, d := range voc.Decls {
		if d.Name == name {
			return d.Help(markdown)
		}
	}
	for _, t := range voc.Types {
		if t.Name == name {
			return voc.typeHelp(t, markdown)
		}
		for _, a := range t.Attrs {
			if t.Name+"."+a.Name == name {
				return fmt.Sprintf("%s: %s\n\n    %s\n", name, a.Type, a.Doc)
			}
		}
	}
	var members []string
	for _, d := range voc.Decls {
		if strings.HasPrefix(d.Name, name+".") {
			members = append(members, fmt.Sprintf("%-28s %s", d.Name, Summary(d.Doc)))
		}
	}
	if members != nil {
		return strings.Join(members, "\n") + "\n"
	}
	return ""
}

// HelpOn is what is known of a value: a function's own doc, or what its builtin or type is; "" when that is nothing.
func (voc *Vocabulary) HelpOn(v starlark.Value) string {
	switch v := v.(type) {
	case *starlark.Function:
		var params []string
		for i := range v.NumParams() {
			name, _ := v.Param(i)
			if def := v.ParamDefault(i); def != nil {
				name += "=" + def.String()
			}
			params = append(params, name)
		}
		text := v.Name() + "(" + strings.Join(params, ", ") + ")\n"
		if doc := strings.TrimSpace(v.Doc()); doc != "" {
			text += "\n    " + doc + "\n"
		}
		return text + fmt.Sprintf("\n    defined at %s\n", v.Position())
	case starlark.Callable:
		return voc.Help(v.Name(), false)
	}
	return voc.Help(v.Type(), false)
}

func (voc *Vocabulary) typeHelp(t *Type, markdown bool) string {
	var b strings.Builder
	if markdown {
		fmt.Fprintf(&b, "### %s (type)\n\n%s\n\n", t.Name, t.Doc)
	} else {
		fmt.Fprintf(&b, "%s (type)\n\n    %s\n\n", t.Name, t.Doc)
	}
	for _, a := range t.Attrs {
		if markdown {
			fmt.Fprintf(&b, "- `.%s` (%s): %s\n", a.Name, a.Type, a.Doc)
		} else {
			fmt.Fprintf(&b, "    .%-10s %s (%s)\n", a.Name, a.Doc, a.Type)
		}
	}
	for _, d := range voc.Decls {
		if _, ok := d.Method(t.Name); ok && !markdown {
			fmt.Fprintf(&b, "    .%s\n", strings.TrimPrefix(d.Signature(), t.Name+"."))
		}
	}
	return b.String()
}

// Names lists all that Help knows, in the order of the reference.
func (voc *Vocabulary) Names() []string {
	var names []string
	for _, d := range voc.Decls {
		names = append(names, d.Name)
	}
	for _, t := range voc.Types {
		names = append(names, t.Name)
	}
	return names
}

// Reference is the whole vocabulary as one Markdown page.
func (voc *Vocabulary) Reference() string {
	var b strings.Builder
	b.WriteString("# Reference\n\nMade by `nsscript doc --markdown` from the declarations of the builtins.\n\n## Types\n\n")
	for _, t := range voc.Types {
		b.WriteString(voc.typeHelp(t, true) + "\n")
	}
	b.WriteString("## Builtins\n\n")
	for _, d := range voc.Decls {
		b.WriteString(d.Help(true) + "\n")
	}
	return b.String()
}

// Nearest is the candidate that a mistyped name most probably meant, "" when none is near.
func Nearest(name string, candidates []string) string { return nearest(name, candidates) }

// nearest is the candidate that a mistyped name most probably meant, "" when none is near. Of several that are equally
// near it is one that begins alike.
func nearest(name string, candidates []string) string {
	best, at := "", 2*(max(len(name)/3, 1)+1)
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if name == "" || c == "" {
			continue
		}
		d := 2 * distance(strings.ToLower(name), strings.ToLower(c))
		if name[0] != c[0] {
			d++
		}
		if d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is Levenshtein's, with two neighbouring letters swapped counted as one.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
