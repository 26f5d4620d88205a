package lsp

import (
	"net/url"
	"path/filepath"
	"slices"
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
	starts  []int // where the lines of the text begin
}

// start is where a line begins; they count from 0. One behind the last is at the end.
func (d *document) start(line int) int {
	if d.starts == nil {
		d.starts = []int{0}
		for i := range len(d.text) {
			if d.text[i] == '\n' {
				d.starts = append(d.starts, i+1)
			}
		}
	}
	if line >= len(d.starts) {
		return len(d.text)
	}
	return d.starts[max(line, 0)]
}

// offset is where a position is in the text, which may have changed since: one that is outside is moved into it.
func (d *document) offset(p position) int {
	at := d.start(p.Line)
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
	at = min(at, len(d.text))
	d.start(0)
	line, _ := slices.BinarySearch(d.starts, at+1) // the last that does not begin behind it is the one before
	return position{line - 1, units(d.text[d.starts[line-1]:at])}
}

// units is how long a text is in UTF-16.
func units(text string) (n int) {
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// line is a line's text; they count from 1.
func (d *document) line(n int) string {
	line, _, _ := strings.Cut(d.text[d.start(n-1):], "\n")
	return line
}

func (d *document) span(begin, end int) span { return span{d.position(begin), d.position(end)} }

// at is the offset of a line and a column that count from 1, the column in characters.
func (d *document) at(line, col int) int {
	at := d.start(line - 1)
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
