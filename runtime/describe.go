package runtime

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Signature is how the builtin is called, as one line of Starlark.
func (d *Decl) Signature() string {
	sig, _ := d.Spans()
	return sig
}

// Spans is Signature and where in it each parameter begins and ends that a call can give.
func (d *Decl) Spans() (sig string, at [][2]int) {
	var b strings.Builder
	b.WriteString(d.Name + "(")
	star := false
	part := func(text string) {
		if !strings.HasSuffix(b.String(), "(") {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	for _, p := range d.Given() {
		if p.Keyword && !star {
			part("*")
			star = true
		}
		text := p.Name
		switch {
		case p.Rest != "":
			text, star = p.Rest+text, true
		case !p.Required:
			text += "=" + p.Default
		}
		part(text)
		at = append(at, [2]int{b.Len() - len(text), b.Len()})
	}
	b.WriteString(")")
	if d.Result != "" && d.Result != "None" {
		b.WriteString(" -> " + d.Result)
	}
	return b.String(), at
}

// Given lists the parameters that a call can give: all but the receiver.
func (d *Decl) Given() []Param {
	if d.isMethod() {
		return d.Params[1:]
	}
	return d.Params
}

// explained lists the parameters that a call can give and that have a doc: a function that is written in Starlark has
// none.
func (d *Decl) explained() []Param {
	return slices.DeleteFunc(slices.Clone(d.Given()), func(p Param) bool { return p.Doc == "" })
}

// isMethod: a method's first parameter is named after its type.
func (d *Decl) isMethod() bool {
	recv, _, dotted := strings.Cut(d.Name, ".")
	return dotted && len(d.Params) > 0 && d.Params[0].Name == recv
}

// Help is the builtin's whole reference as text for a terminal, or as Markdown.
func (d *Decl) Help(markdown bool) string {
	if markdown {
		return fmt.Sprintf("### %s\n\n```\n%s\n```\n\n%s", d.Name, d.Signature(), d.Text())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n    %s\n", d.Signature(), strings.ReplaceAll(d.Doc, "\n", "\n    "))
	for i, p := range d.explained() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "    %-10s %s (%s)\n", p.Rest+p.Name, p.Doc, p.How())
	}
	return b.String()
}

// Text is the doc and the parameters, as Markdown.
func (d *Decl) Text() string {
	var b strings.Builder
	b.WriteString(d.Doc + "\n")
	for i, p := range d.explained() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- `%s%s` (%s): %s\n", p.Rest, p.Name, p.How(), p.Doc)
	}
	return b.String()
}

// How is what can be given for the parameter, and what it is when nothing is.
func (p *Param) How() string {
	if !p.Required && p.Rest == "" && p.Default != "None" {
		return p.Type + ", default " + p.Default
	}
	return p.Type
}

// Summary is the first sentence of a doc.
func Summary(doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if i := strings.Index(doc, ". "); i >= 0 {
		doc = doc[:i+1]
	}
	return doc
}

// Help finds what a name means: a builtin, a type, a type's attribute, a topic, a function of one, or a module; "" when
// it means nothing.
func (voc *Vocabulary) Help(name string, markdown bool) string {
	for _, d := range voc.Decls {
		if d.Name == name { // and what it returns, where that is a type of this name
			text := d.Help(markdown)
			if t := voc.typeNamed(name); t != nil {
				text += "\n" + voc.typeHelp(t, markdown)
			}
			return text
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
	for _, t := range voc.topics() {
		if t.Name == name {
			return t.help(markdown)
		}
		for _, d := range t.Members {
			if d.Name == name {
				return t.member(d, markdown)
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
	case *starlarkstruct.Module:
		return voc.Help(v.Name, false)
	case *starlark.Builtin:
		return voc.Help(voc.memberName(v), false)
	case starlark.Callable:
		return voc.Help(v.Name(), false)
	}
	if t := voc.typeNamed(v.Type()); t != nil {
		return voc.typeHelp(t, false)
	}
	return voc.Help(v.Type(), false)
}

// typeNamed is the type of that name, nil when there is none.
func (voc *Vocabulary) typeNamed(name string) *Type {
	for _, t := range voc.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// memberName is the name by which a script calls a builtin that is not declared: those of some modules do not say
// theirs.
func (voc *Vocabulary) memberName(fn *starlark.Builtin) string {
	for name, m := range voc.Modules {
		m, ok := m.(*starlarkstruct.Module)
		if !ok {
			continue
		}
		for member, v := range m.Members {
			if v == fn {
				return name + "." + member
			}
		}
	}
	return fn.Name()
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

// An Entry is a line of the reference's index.
type Entry struct{ Name, Summary string }

// Index lists builtins, types and topics, in the order of the reference.
func (voc *Vocabulary) Index() (all []Entry) {
	for _, d := range voc.Decls {
		all = append(all, Entry{d.Name, Summary(d.Doc)})
	}
	for _, t := range voc.Types {
		all = append(all, Entry{t.Name, "(type) " + Summary(t.Doc)})
	}
	for _, t := range voc.topics() {
		all = append(all, Entry{t.Name, Summary(t.Doc)})
	}
	return all
}

// String is the entry as a line for a terminal.
func (e Entry) String() string { return fmt.Sprintf("%-18s %s", e.Name, e.Summary) }

// Names lists all that Help knows but attributes, in the order of the reference.
func (voc *Vocabulary) Names() (names []string) {
	for _, e := range voc.Index() {
		names = append(names, e.Name)
	}
	for _, t := range voc.topics() {
		for _, d := range t.Members {
			names = append(names, d.Name)
		}
	}
	return names
}

// Reference is the whole vocabulary as one Markdown page.
func (voc *Vocabulary) Reference() string {
	var b strings.Builder
	b.WriteString("# Reference\n\nMade by `nsscript doc --markdown` from the declarations of the builtins, " +
		"and from the docs in the standard library.\n")
	b.WriteString("For those who know Python, [python.md](python.md) says what differs.\n\n## Types\n\n")
	for _, t := range voc.Types {
		b.WriteString(voc.typeHelp(t, true) + "\n")
	}
	b.WriteString("## Builtins\n\n")
	for _, d := range voc.Decls {
		b.WriteString(d.Help(true) + "\n")
	}
	b.WriteString("## Language, modules and standard library\n\n")
	for _, t := range voc.topics() {
		b.WriteString(t.help(true) + "\n")
	}
	return b.String()
}
