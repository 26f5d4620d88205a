package script

import (
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// InLiteral is where a line and a column of a string's value stand in the literal, both from 1. A column that is behind
// the line's end is the end.
func InLiteral(lit *syntax.Literal, line, col int) syntax.Position {
	raw, pos := lit.Raw, lit.TokenPos
	skip := func(n int) {
		for _, r := range raw[:n] {
			if pos.Col++; r == '\n' {
				pos.Line, pos.Col = pos.Line+1, 1
			}
		}
		raw = raw[n:]
	}
	plain := strings.HasPrefix(raw, "r")
	if plain {
		skip(1)
	}
	quote := raw[:1]
	if strings.HasPrefix(raw, strings.Repeat(quote, 3)) {
		quote = raw[:3]
	}
	skip(len(quote))
	for l, c := 1, 1; !strings.HasPrefix(raw, quote) && (l < line || c < col); {
		size, char := escape(raw, plain)
		if char == '\n' && l == line {
			break // the column is behind the end
		}
		switch char {
		case '\n':
			l, c = l+1, 1
		case noChar:
		default:
			c += utf8.RuneLen(char)
		}
		skip(size)
	}
	return pos
}

// noChar is what an escaped newline stands for.
const noChar = rune(-1)

// escape is the first character of a literal's rest, and how many bytes it is written with.
func escape(raw string, plain bool) (size int, char rune) {
	if raw[0] != '\\' || plain || len(raw) < 2 {
		r, size := utf8.DecodeRuneInString(raw)
		return size, r
	}
	switch raw[1] {
	case '\n':
		return 2, noChar
	case 'n':
		return 2, '\n'
	case 'x':
		return min(4, len(raw)), '?'
	case 'u':
		return min(6, len(raw)), '?'
	case 'U':
		return min(10, len(raw)), '?'
	}
	return 2, '?'
}
