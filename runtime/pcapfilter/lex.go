package pcapfilter

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// kind is what a token is.
type kind int

const (
	ended    kind = iota // the end of the expression
	keyword              // a word of the language, or a protocol, or an operator
	named                // another word, or one after a backslash
	number               // 80, 0x50, 0120, or the name of a number
	mac                  // a link-layer address
	dotted               // 10.0.0.1, 10.0 or 10.0.0
	address6             // an IPv6 address
)

type token struct {
	kind kind
	text string
	num  uint32 // of a number
	col  int
}

func (t token) String() string {
	if t.kind == ended {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// Error is what is wrong with an expression.
type Error struct {
	Column int // counted in bytes, from 1
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Text) }

// fail ends the compilation, which compile recovers from.
func fail(col int, format string, args ...any) {
	panic(&Error{Column: col, Text: fmt.Sprintf(format, args...)})
}

// A word is the longest of these at its place, and the first of those that are as long.
var patterns = []struct {
	kind kind
	re   *regexp.Regexp
}{
	{keyword, longest(`[-+*/%:\[\]!<>()&|^=]|>=|<=|!=|==|<<|>>|&&|\|\|`)},
	{mac, longest(macPattern())},
	{number, longest(`[0-9]+|0[xX][0-9A-Fa-f]+`)},
	{dotted, longest(strings.Join([]string{quad(2), quad(3), quad(4)}, "|"))},
	{address6, longest(`[0-9A-Fa-f:]{2,39}(` + quad(4) + `)?`)},
	{named, longest(`[A-Za-z0-9]([-_.A-Za-z0-9]*[.A-Za-z0-9])?`)},
	{named, longest(`\\[^ !()\n\t]+`)},
}

func longest(pattern string) *regexp.Regexp {
	re := regexp.MustCompile(`^(` + pattern + `)`)
	re.Longest()
	return re
}

func quad(n int) string {
	return strings.TrimSuffix(strings.Repeat(`([0-9]+|0[xX][0-9A-Fa-f]+)\.`, n), `\.`)
}

// macPattern is six bytes with the same sign between them, or three pairs with dots, or twelve digits.
func macPattern() string {
	all := []string{`[0-9A-Fa-f]{12}`, `[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}`}
	for _, sign := range []string{`:`, `-`, `\.`} {
		all = append(all, `[0-9A-Fa-f]{1,2}(`+sign+`[0-9A-Fa-f]{1,2}){5}`)
	}
	return strings.Join(all, "|")
}

// lex is the tokens of an expression, the last of which is its end.
func lex(expr string) (all []token) {
	for at := 0; ; {
		for at < len(expr) && strings.IndexByte(" \r\n\t", expr[at]) >= 0 {
			at++
		}
		if at == len(expr) {
			return append(all, token{kind: ended, col: at + 1})
		}
		t := token{col: at + 1}
		for _, p := range patterns {
			if s := p.re.FindString(expr[at:]); len(s) > len(t.text) && (p.kind != address6 || isAddress6(s)) {
				t.kind, t.text = p.kind, s
			}
		}
		if t.text == "" {
			r := []rune(expr[at:])[0]
			fail(at+1, "%q has no meaning in a filter", r)
		}
		at += len(t.text)
		all = append(all, t.settled())
	}
}

func isAddress6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// settled is the token with what a word stands for.
func (t token) settled() token {
	switch t.kind {
	case keyword:
		t.text = canonical(t.text)
	case number:
		n, err := strconv.ParseUint(t.text, 0, 32)
		if err != nil {
			fail(t.col, "%s is no number of 32 bits", t.text)
		}
		t.num = uint32(n)
	case named:
		if rest, escaped := strings.CutPrefix(t.text, `\`); escaped {
			t.text = rest
			return t
		}
		word := canonical(t.text)
		if n, is := values[word]; is {
			t.kind, t.num = number, n
		} else if protos[word] != nil || keywords[word] || word == "!" || unsupported[word] != "" {
			t.kind, t.text = keyword, word
		}
	}
	return t
}

func canonical(word string) string {
	if other, is := synonyms[word]; is {
		return other
	}
	return word
}

// words is the set of the words of a text.
func words(text string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(text) {
		all[w] = true
	}
	return all
}
