package runtime

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// A Topic is what the reference says of a name that is neither a builtin nor a type: a module, a statement, a file of
// the standard library.
type Topic struct {
	Name    string
	Doc     string  // Markdown; the first sentence is its summary
	Members []*Decl // the functions in it; they are declared to be read about, and cannot be called
}

// ParseTopic reads a topic from a Starlark text: its doc is the text's docstring, its members are the functions whose
// names do not begin with _, each named behind the prefix.
func ParseTopic(name, prefix string, src []byte) (*Topic, error) {
	f, err := script.ParseFile(name, src)
	if err != nil {
		return nil, err
	}
	t := &Topic{Name: name, Doc: docstring(f.Stmts)}
	lines := strings.SplitAfter(string(src), "\n")
	text := func(e syntax.Expr) string { // that stands in one line
		begin, end := e.Span()
		return string([]rune(lines[begin.Line-1])[begin.Col-1 : end.Col-1])
	}
	for _, stmt := range f.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && !strings.HasPrefix(def.Name.Name, "_") {
			d := Declare(def, text)
			d.Name = prefix + d.Name
			t.Members = append(t.Members, d)
		}
	}
	return t, nil
}

// library is the topics of the standard library, one a file.
var library = sync.OnceValue(func() (all []*Topic) {
	files, err := script.Std.ReadDir("std")
	if err != nil {
		panic("runtime: standard library: " + err.Error())
	}
	for _, file := range files {
		src, err := script.Std.ReadFile(path.Join("std", file.Name()))
		if err != nil {
			panic("runtime: standard library: " + err.Error())
		}
		t, err := ParseTopic(script.StdPrefix+file.Name(), "", src)
		if err != nil {
			panic("runtime: standard library: " + err.Error())
		}
		all = append(all, t)
	}
	return all
})

// topics are the vocabulary's own and the standard library's.
func (voc *Vocabulary) topics() []*Topic {
	return append(voc.Topics[:len(voc.Topics):len(voc.Topics)], library()...)
}

// Topic finds a topic by its name, nil when there is none: of the vocabulary, or a file of the standard library.
func (voc *Vocabulary) Topic(name string) *Topic {
	for _, t := range voc.topics() {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Member finds a function of the topic by the name that it is called by, nil when there is none.
func (t *Topic) Member(name string) *Decl {
	for _, d := range t.Members {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// help is the topic's text for a terminal, or as Markdown.
func (t *Topic) help(markdown bool) string {
	var b strings.Builder
	if markdown {
		fmt.Fprintf(&b, "### %s\n\n%s\n", t.Name, t.Doc)
	} else {
		fmt.Fprintf(&b, "%s\n\n%s\n", t.Name, indent(t.Doc, "    "))
	}
	for i, d := range t.Members {
		switch {
		case !markdown:
			fmt.Fprintf(&b, "\n    %s\n%s\n", d.Signature(), indent(d.Doc, "        "))
		case i == 0:
			b.WriteByte('\n')
			fallthrough
		default:
			fmt.Fprintf(&b, "- `%s`: %s\n", d.Signature(), strings.Join(strings.Fields(d.Doc), " "))
		}
	}
	return b.String()
}

// member is the text of a function of the topic.
func (t *Topic) member(d *Decl, markdown bool) string {
	text := d.Help(markdown)
	if strings.HasPrefix(t.Name, script.StdPrefix) {
		text += fmt.Sprintf("\n    load(%q, %q)\n", t.Name, d.Name)
	}
	return text
}

// indent puts a margin before each line of a text but empty ones.
func indent(text, margin string) string {
	return strings.ReplaceAll(margin+strings.ReplaceAll(text, "\n", "\n"+margin), "\n"+margin+"\n", "\n\n")
}

// Declare declares a script's own function as builtins are. text is what stands in the script for an expression.
func Declare(def *syntax.DefStmt, text func(syntax.Expr) string) *Decl {
	d := &Decl{Name: def.Name.Name, Doc: docstring(def.Body)}
	keyword := false
	for _, p := range def.Params {
		param := Param{Type: "any", Keyword: keyword, Required: true}
		switch p := p.(type) {
		case *syntax.Ident:
			param.Name = p.Name
		case *syntax.BinaryExpr:
			param.Name, param.Required = nameOf(p.X), false
			param.Default = strings.Join(strings.Fields(text(p.Y)), " ")
		case *syntax.UnaryExpr:
			keyword = true
			if p.X == nil {
				continue
			}
			param.Name, param.Rest, param.Required = nameOf(p.X), p.Op.String(), false
		}
		d.Params = append(d.Params, param)
	}
	return d
}

// docstring is the string that a file or a function begins with, "" when it begins with none.
func docstring(body []syntax.Stmt) string {
	if len(body) == 0 {
		return ""
	}
	if s, ok := body[0].(*syntax.ExprStmt); ok {
		if lit, ok := s.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
			text, _ := lit.Value.(string) // it is a string's
			return strings.TrimSpace(text)
		}
	}
	return ""
}

func nameOf(e syntax.Expr) string {
	if id, ok := e.(*syntax.Ident); ok {
		return id.Name
	}
	return ""
}
