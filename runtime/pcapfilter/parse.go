package pcapfilter

import (
	"slices"
	"strings"
)

// deepest is how many parentheses may stand in each other.
const deepest = 200

type parser struct {
	tokens []token
	at     int
	depth  int
}

func parse(expr string) any {
	p := &parser{tokens: lex(expr)}
	if p.peek().kind == ended {
		return nil
	}
	x, _ := p.expr(qualifiers{})
	if t := p.peek(); t.kind != ended {
		fail(t.col, "%s cannot follow here", t)
	}
	return x
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != ended {
		p.at++
	}
	return t
}

// is tells whether the next token is one of these keywords.
func (p *parser) is(words ...string) bool {
	t := p.peek()
	return t.kind == keyword && slices.Contains(words, t.text)
}

// accept takes the next token if it is the keyword.
func (p *parser) accept(word string) bool {
	if p.is(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(word string) {
	if t := p.next(); t.kind != keyword || t.text != word {
		fail(t.col, "%q is missing before %s", word, t)
	}
}

// enter begins what stands inside of something else, and leave ends it.
func (p *parser) enter() {
	if p.depth++; p.depth > deepest {
		fail(p.peek().col, "more than %d parentheses and signs stand in each other", deepest)
	}
}

func (p *parser) leave() { p.depth-- }

// expr is terms with and/or between them, which bind alike, from left to right. It also returns the qualifiers that an
// id without any would have after it.
func (p *parser) expr(q qualifiers) (any, qualifiers) {
	x, q := p.term(q, false)
	for p.is("and", "or") {
		and := p.next().text == "and"
		var y any
		y, q = p.term(q, true)
		x = joined(and, x, y)
	}
	return x, q
}

func joined(and bool, x, y any) any {
	if and {
		return both{x, y}
	}
	return either{x, y}
}

// term is one part of an expression. Where ids are allowed it may be one that has the qualifiers of the one before.
func (p *parser) term(q qualifiers, ids bool) (any, qualifiers) {
	if p.accept("!") {
		p.enter()
		defer p.leave()
		x, q := p.term(q, ids)
		return negation{x}, q
	}
	if x, ok := p.relation(); ok {
		return x, qualifiers{}
	}
	t := p.peek()
	if t.kind != keyword || t.text == "(" && ids && p.idInside() {
		if !ids || t.kind == ended {
			p.misplaced(t)
		}
		return p.id(q), q
	}
	if p.accept("(") {
		p.enter()
		defer p.leave()
		x, _ := p.expr(q)
		p.want(")")
		return x, q
	}
	if why := unsupported[t.text]; why != "" {
		fail(t.col, "%s", why)
	}
	if protos[t.text] != nil || p.is("src", "dst", "host", "net", "port", "portrange", "proto", "protochain") {
		return p.qualified()
	}
	return p.keyed(nil), qualifiers{}
}

// misplaced says what is wrong with an id, or the end, where a term must begin.
func (p *parser) misplaced(t token) {
	switch t.kind {
	case ended:
		fail(t.col, "the expression ends too early")
	case named:
		fail(t.col, "%s is no word of pcap-filter(7)", t)
	}
	fail(t.col, "%s stands alone: write host, net or port before it", t)
}

// idInside tells whether what is in the parentheses here begins with an id.
func (p *parser) idInside() bool {
	at := p.at
	for p.tokens[at].kind == keyword && (p.tokens[at].text == "(" || p.tokens[at].text == "!") {
		at++
	}
	return p.tokens[at].kind != keyword && p.tokens[at].kind != ended
}

// qualified is a term that begins with a protocol, or says what its id is.
func (p *parser) qualified() (any, qualifiers) {
	q := qualifiers{given: true}
	first := p.peek()
	if q.of = protos[first.text]; q.of != nil {
		p.at++
	}
	if p.is("broadcast", "multicast") {
		return p.keyed(q.of), qualifiers{}
	}
	if t := p.peek(); t.kind == keyword && unsupported[t.text] != "" {
		fail(t.col, "%s", unsupported[t.text])
	}
	if p.is("src", "dst") {
		q.dir = p.direction()
	}
	if p.is("host", "net", "port", "portrange") || q.dir == "" && p.is("proto", "protochain") {
		q.kind = p.next().text
	}
	if q.dir == "" && q.kind == "" {
		if t := p.peek(); t.kind != keyword && t.kind != ended {
			fail(t.col, "%s after %s: write host, net or port before it", t, first)
		}
		return protocol{q.of, first.col}, qualifiers{}
	}
	return p.id(q), q
}

// direction is src, dst, or both of them with and/or between.
func (p *parser) direction() string {
	dir := p.next().text
	other := map[string]string{"src": "dst", "dst": "src"}[dir]
	if t := p.tokens[min(p.at+1, len(p.tokens)-1)]; p.is("and", "or") && t.kind == keyword && t.text == other {
		dir = "src " + p.next().text + " dst"
		p.at++
	}
	return dir
}

// id is an id, or several of them with and/or between them in parentheses.
func (p *parser) id(q qualifiers) any {
	if p.accept("!") {
		p.enter()
		defer p.leave()
		return negation{p.id(q)}
	}
	if p.accept("(") {
		p.enter()
		defer p.leave()
		x := p.id(q)
		for p.is("and", "or") {
			and := p.next().text == "and"
			x = joined(and, x, p.id(q))
		}
		p.want(")")
		return x
	}
	t := p.next()
	switch {
	case t.kind == ended:
		fail(t.col, "the expression ends too early")
	case t.kind == keyword && unsupported[t.text] != "":
		fail(t.col, "%s", unsupported[t.text])
	case t.kind == keyword && (q.kind == "proto" || q.kind == "protochain"):
		fail(t.col, `%s is a keyword: write \%s`, t, t.text)
	case t.kind == keyword:
		fail(t.col, "%s stands where an address or a number is needed", t)
	case !q.given:
		p.misplaced(t)
	}
	x := primitive{qualifiers: q, id: t, bits: -1}
	switch {
	case (t.kind == dotted || t.kind == address6) && p.accept("/"):
		n := p.next()
		if n.kind != number {
			fail(n.col, "%s is no length of a prefix", n)
		}
		x.bits = int(min(n.num, 1<<20))
	case t.kind == dotted && p.accept("mask"):
		if x.mask = p.next(); x.mask.kind != dotted {
			fail(x.mask.col, "%s is no mask such as 255.255.255.0", x.mask)
		}
	}
	return x
}

// keyed is a term that begins with a keyword of its own.
func (p *parser) keyed(of *proto) any {
	t := p.next()
	k := keyed{word: t.text, of: of, col: t.col}
	switch t.text {
	case "broadcast", "multicast", "inbound", "outbound", "pppoed":
	case "less", "greater":
		n := p.need(number, "a length")
		k.arg = &n
	case "vlan", "mpls", "pppoes", "geneve", "vxlan":
		k.arg = p.optionalNumber()
	case "llc":
		if n := p.peek(); n.kind == named || p.is("rnr") {
			p.at++
			k.arg = &n
		}
	case "byte":
		off := p.need(number, "an offset")
		op := p.next()
		if op.kind != keyword || !strings.Contains("&|<>=", op.text) {
			fail(op.col, "%s is none of & | < > =", op)
		}
		val := p.need(number, "a byte")
		if val.num > 0xff {
			fail(val.col, "%s is no byte", val)
		}
		return byteTest{off.num, val.num, op.text}
	default:
		fail(t.col, "%s cannot stand here", t)
	}
	return k
}

func (p *parser) need(k kind, what string) token {
	t := p.next()
	if t.kind != k {
		fail(t.col, "%s is missing before %s", what, t)
	}
	return t
}

// optionalNumber is a number, which may be in parentheses. One that a sign follows belongs to what comes next.
func (p *parser) optionalNumber() *token {
	at, open := p.at, 0
	for p.accept("(") {
		open++
	}
	if n := p.next(); n.kind == number {
		for ; open > 0 && p.accept(")"); open-- {
		}
		if open == 0 {
			return &n
		}
	}
	p.at = at
	return nil
}
