package lsp

import (
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// A document is a text that the editor has open.
type document struct {
	uri     string
	name    string // as load() and findings name it
	version int
	text    string
}

// offset is where a position is in the text, which may have changed since: one that is outside is moved into it.
func (d *document) offset(p position) int {
	at := 0
	for range p.Line {
		i := strings.IndexByte(d.text[at:], '\n')
		if i < 0 {
			return len(d.text)
		}
		at += i + 1
	}
	for units := 0; at < len(d.text) && d.text[at] != '\n'; {
		r, size := utf8.DecodeRuneInString(d.text[at:])
		if units += utf16.RuneLen(r); units > p.Character {
			break
		}
		at += size
	}
	return at
}

// position is the other way round.
func (d *document) position(at int) position {
	before := d.text[:min(at, len(d.text))]
	p := position{Line: strings.Count(before, "\n")}
	for _, r := range before[strings.LastIndexByte(before, '\n')+1:] {
		p.Character += utf16.RuneLen(r)
	}
	return p
}

func (d *document) span(begin, end int) span { return span{d.position(begin), d.position(end)} }

// at is the offset of a line and a column that count from 1, the column in characters.
func (d *document) at(line, col int) int {
	at := d.offset(position{Line: line - 1})
	for range col - 1 {
		if at == len(d.text) || d.text[at] == '\n' {
			break
		}
		_, size := utf8.DecodeRuneInString(d.text[at:])
		at += size
	}
	return at
}

func (d *document) between(begin, end syntax.Position) span {
	return d.span(d.at(int(begin.Line), int(begin.Col)), d.at(int(end.Line), int(end.Col)))
}

// path is the file that a URI means; a URI of another kind, such as a text that was never saved, is its own name.
func path(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return uri
	}
	return filepath.Clean(u.Path)
}

func uriOf(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }
