package script

import (
	"fmt"
	"strings"
	"unicode"

	"go.starlark.net/syntax"
)

// Widest is how many characters of a line are shown.
const Widest = 160

// Excerpt writes a message with its position, and the line of the source with a caret below the place.
func Excerpt(b *strings.Builder, pos syntax.Position, msg string, sources Sources) {
	fmt.Fprintf(b, "%s: %s\n", Printable(pos.String()), Printable(msg))
	text := []rune(SourceLine(pos, sources))
	if len(text) == 0 {
		return
	}
	col := min(max(int(pos.Col)-1, 0), len(text))
	before, after := "", ""
	if from := col - Widest/2; len(text) > Widest && from > 0 {
		text, col, before = text[from:], col-from, "... "
	}
	if len(text) > Widest {
		text, after = text[:Widest], " ..."
	}
	caret := strings.Repeat(" ", len(before))
	for _, r := range text[:col] {
		if r == '\t' {
			caret += "\t" // so that it is as wide as the terminal shows the other one
		} else {
			caret += strings.Repeat(" ", cells(r))
		}
	}
	fmt.Fprintf(b, "    %s%s%s\n    %s^\n", before, string(text), after, caret)
}

// SourceLine is the line of the source that a position is in.
func SourceLine(pos syntax.Position, sources Sources) string {
	rest, found := sources[pos.Filename()], pos.Line >= 1
	for n := int32(1); n < pos.Line && found; n++ {
		_, rest, found = strings.Cut(rest, "\n")
	}
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, "\n")
	return Printable(strings.TrimRight(text, "\r"))
}

// wide are the characters that terminals show in two cells: those of East Asia (UAX #11), and emoji.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// cells is how many cells of a terminal a character that printable let through takes.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0 // it is shown on the one before it
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Printable replaces what would move the cursor or change the colours of a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
