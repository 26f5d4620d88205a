package lsp

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/nsscript/nsscript/runtime/assist"
	"github.com/nsscript/nsscript/runtime/check"
	"github.com/nsscript/nsscript/runtime/format"
	"github.com/nsscript/nsscript/runtime/script"
)

// mostFindings is how many are shown of a text.
const mostFindings = 200

// diagnose shows what check says of a text.
func (d *document) diagnose(found []check.Finding) diagnostics {
	all := diagnostics{URI: d.uri, Version: d.version, Diagnostics: []diagnostic{}}
	for _, f := range found[:min(len(found), mostFindings)] {
		line, from := d.line(f.Line), 0
		for range f.Col - 1 {
			_, size := utf8.DecodeRuneInString(line[from:])
			from += size
		}
		_, end := script.TokenAt(line, from)
		begin, end := units(line[:from]), units(line[:end])
		g := diagnostic{Range: span{position{f.Line - 1, begin}, position{f.Line - 1, end}}, Severity: severityError,
			Code: f.Rule, Source: "nsscript", Message: f.Message}
		if f.Hint != "" {
			g.Message += "\nhint: " + f.Hint
		}
		if f.Rule == "unused" || f.Rule == "unreachable" {
			g.Severity, g.Tags = severityWarning, []int{tagUnnecessary}
		}
		all.Diagnostics = append(all.Diagnostics, g)
	}
	if more := len(found) - mostFindings; more > 0 {
		last := &all.Diagnostics[mostFindings-1]
		last.Message += fmt.Sprintf("\nand %d more, which are not shown", more)
	}
	return all
}

// line is the text from the beginning of its line to a position, and what can be said there.
func (s *server) line(d *document, at int) (begin int, sc *assist.Scope) {
	begin, _ = script.LineAt(d.text, at)
	return begin, s.index.Scope(d.name, at)
}

func (s *server) completion(d *document, p position) (any, error) {
	at := d.offset(p)
	begin, sc := s.line(d, at)
	from, names := sc.Complete(d.text[begin:at])
	from += begin
	quoted := from > 0 && strings.ContainsAny(d.text[from-1:from], `"'`)
	items := []completionItem{}
	for i, name := range names {
		c := completionItem{Label: name, Kind: completionText, SortText: fmt.Sprintf("%04d", i),
			TextEdit: textEdit{d.span(from, at), name}}
		bare := strings.TrimSuffix(name, "=")
		if e, ok := sc.Explain(d.text[begin:from]+bare, name[len(bare):]); ok && !quoted {
			c.Kind, c.Detail = completionKinds[e.Kind], e.Code
			if e.Doc != "" {
				c.Documentation = &markup{"markdown", e.Doc}
			}
		} else if !quoted {
			c.Kind = completionKinds["attribute"]
		}
		items = append(items, c)
	}
	return items, nil
}

func (s *server) hover(d *document, p position) (any, error) {
	begin, end := script.TokenAt(d.text, d.offset(p))
	start, sc := s.line(d, begin)
	e, ok := sc.Explain(d.text[start:end], d.text[end:])
	if !ok {
		return nil, nil
	}
	text := "```python\n" + e.Code + "\n```"
	if e.Doc != "" {
		text += "\n\n" + e.Doc
	}
	return hover{markup{"markdown", text}, d.span(begin, end)}, nil
}

func (s *server) signatureHelp(d *document, p position) (any, error) {
	at := d.offset(p)
	begin, sc := s.line(d, at)
	c, ok := sc.Call(d.text[begin:at])
	if !ok {
		return nil, nil
	}
	sig := signature{Label: c.Signature, Documentation: markup{"markdown", c.Doc}, Parameters: []parameter{}}
	for i, at := range c.Parameters {
		sig.Parameters = append(sig.Parameters,
			parameter{[2]int{units(c.Signature[:at[0]]), units(c.Signature[:at[1]])}, markup{"markdown", c.Docs[i]}})
	}
	help := signatureHelp{Signatures: []signature{sig}}
	if c.Active >= 0 {
		help.ActiveParameter = &c.Active
	}
	return help, nil
}

func (s *server) definition(d *document, p position) (any, error) {
	place, ok := s.index.Definition(d.name, d.offset(p))
	if !ok || strings.HasPrefix(place.File, "@") { // the standard library is in no file
		return nil, nil
	}
	for _, there := range s.docs {
		if there.name == place.File {
			return there.location(place), nil
		}
	}
	src, err := script.ReadScript(place.File)
	if err != nil {
		return nil, err
	}
	return (&document{uri: uriOf(absolute(place.File)), text: string(src)}).location(place), nil
}

func absolute(name string) string {
	if !strings.HasPrefix(name, "/") {
		if wd, err := os.Getwd(); err == nil {
			return wd + "/" + name
		}
	}
	return name
}

func (d *document) location(p check.Place) location {
	return location{d.uri, d.between(p.Begin, p.End)}
}

func (s *server) symbols(d *document, _ position) (any, error) {
	all := []documentSymbol{}
	for _, sym := range s.index.Symbols(d.name) {
		kind := symbolVariable
		if sym.Function {
			kind = symbolFunction
		}
		all = append(all, documentSymbol{sym.Name, sym.Detail, kind, d.between(sym.Whole.Begin, sym.Whole.End),
			d.between(sym.At.Begin, sym.At.End)})
	}
	return all, nil
}

// formatting: a text that is no Starlark stays as it is; what is wrong with it has been said.
func (s *server) formatting(d *document, _ position) (any, error) {
	edits := []textEdit{}
	if !utf8.ValidString(d.text) {
		return edits, nil
	}
	if out, err := format.Source(d.name, []byte(d.text)); err == nil && string(out) != d.text {
		edits = append(edits, textEdit{d.span(0, len(d.text)), string(out)})
	}
	return edits, nil
}
