package script

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a piece of a text that may be unfinished.
type Token struct {
	Kind tokenKind
	Text string
	Pos  int
}

type tokenKind byte

const (
	TokName   tokenKind = 'n'
	TokNumber tokenKind = '0'
	TokString tokenKind = 's'
	TokOpen   tokenKind = '"' // a string without its end
	tokOp     tokenKind = '+' // one character
	TokEnd    tokenKind = ';' // of a line outside brackets

	TokComment tokenKind = '#' // only one that the text ends in
)

// Lex cuts a text into tokens, whatever is in it. open are those of the brackets that are not closed.
func Lex(text string) (toks []Token, open []int) {
	for i := 0; i < len(text); {
		start := i
		r, size := utf8.DecodeRuneInString(text[i:])
		add := func(kind tokenKind, end int) {
			toks = append(toks, Token{kind, text[start:end], start})
			i = end
		}
		switch {
		case r == '\n':
			if i++; len(open) == 0 {
				add(TokEnd, i)
			}
		case r == '\\' && strings.HasPrefix(text[i+1:], "\n"):
			i += 2
		case unicode.IsSpace(r):
			i += size
		case r == '#':
			if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
				i += n
			} else {
				add(TokComment, len(text))
			}
		case r == '"' || r == '\'':
			end, closed := stringEnd(text, i)
			add(map[bool]tokenKind{true: TokString, false: TokOpen}[closed], end)
		case r == '_' || unicode.IsLetter(r):
			add(TokName, i+span(text[i:], func(r rune) bool {
				return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
			}))
		case unicode.IsDigit(r):
			add(TokNumber, i+span(text[i:], func(r rune) bool {
				return r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
			}))
		default:
			switch r {
			case '(', '[', '{':
				open = append(open, len(toks))
			case ')', ']', '}':
				if len(open) > 0 {
					open = open[:len(open)-1]
				}
			}
			add(tokOp, i+size)
		}
	}
	return toks, open
}

func span(s string, in func(rune) bool) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); n >= 0 {
		return n
	}
	return len(s)
}

// stringEnd is where the string literal ends that begins at i. One that is not closed ends with its line, a long one
// with the text.
func stringEnd(text string, i int) (end int, closed bool) {
	quote := text[i : i+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], long) {
		quote = long
	}
	for j := i + len(quote); j < len(text); j++ {
		switch {
		case text[j] == '\\':
			j++
		case strings.HasPrefix(text[j:], quote):
			return j + len(quote), true
		case text[j] == '\n' && len(quote) == 1:
			return j, false
		}
	}
	return len(text), false
}

// Unfinished reports whether more is to come before a text can be an input: a bracket or a long string is open, or the
// last line goes on.
func Unfinished(text string) bool {
	toks, open := Lex(text)
	last := len(toks) - 1
	if last >= 0 && toks[last].Kind == TokOpen &&
		(strings.HasPrefix(toks[last].Text, `"""`) || strings.HasPrefix(toks[last].Text, "'''")) {
		return true
	}
	return len(open) > 0 || strings.HasSuffix(text, "\\")
}

// AwaitsBody reports whether a text ends in a statement whose body has not begun.
func AwaitsBody(text string) bool {
	toks, _ := Lex(text)
	for i := len(toks) - 1; i >= 0; i-- {
		if k := toks[i].Kind; k != TokEnd && k != TokComment {
			return toks[i].Text == ":"
		}
	}
	return false
}

// IsBlock reports whether a text begins a statement with a body.
func IsBlock(text string) bool {
	toks, _ := Lex(text)
	return len(toks) > 0 && toks[0].Kind == TokName &&
		slices.Contains([]string{"def", "if", "for", "while"}, toks[0].Text)
}

// LineAt is where the line begins and ends that an offset of a text is in; one goes on while brackets are open.
func LineAt(text string, at int) (begin, end int) {
	toks, _ := Lex(text[:at])
	for _, t := range toks {
		if t.Kind == TokEnd {
			begin = t.Pos + 1
		}
	}
	toks, _ = Lex(text[begin:])
	for _, t := range toks {
		if end = begin + t.Pos; t.Kind == TokEnd && end >= at {
			return begin, end
		}
	}
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 { // a bracket stays open
		return begin, at + n
	}
	return begin, len(text)
}

// TokenAt is where the name, number or string begins and ends that an offset of a text is in or at the end of; where
// there is none, the character.
func TokenAt(text string, at int) (begin, end int) {
	toks, _ := Lex(text)
	for _, t := range toks {
		if end := t.Pos + len(t.Text); t.Pos <= at && at <= end && t.Kind != tokOp && t.Kind != TokEnd &&
			(at < end || t.Kind == TokName) {
			return t.Pos, end
		}
	}
	if at >= len(text) || text[at] == '\n' {
		return at, at
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	return at, at + size
}
