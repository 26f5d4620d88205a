package script

import (
	"regexp"
	"sync"
)

// runMistakes are what the interpreter says of what people write who come from Python: a regular expression for its
// message, and what to write instead. The first that fits holds.
var runMistakes = []struct{ msg, hint string }{
	{`cannot .* frozen (list|hash table)$`,
		"what a file defines does not change once it was loaded: let a function of it make and return what is to " +
			"change"},
	{`^local variable \w+ referenced before assignment$`,
		"a variable that a function assigns to is its own: return the value, or change a list or dict in place"},
	{`during iteration$`, "what is looped over cannot change meanwhile: loop over list(x)"},
	{`^unknown binary op: (string \+ \w+|\w+ \+ string)$`,
		`a string and another value go together by "%s%s" % (a, b), or str(x)`},
	{`^string value is not iterable$|got string, want iterable$`,
		"text.elems() goes through the bytes of a string, text.codepoints() through its characters"},
	{`^can't assign to \.\w+ field of struct$`, "a struct does not change: make another"},
	{`^can't assign to \.\w+ field of link$`, "link.set(mtu = 1400) changes a link"},
	{`^(string|tuple|bytes) value does not support item assignment$`,
		"strings and tuples do not change: make another, or use a list"},
	{`^invalid call of non-function \(module\)$`, "a module is no function, but has some: assert.eq(a, b), time.now()"},
	{`^\w+ has no \.(len|length|size|count) `, "it is len(x)"},
	{`^\w+ has no \.(contains|includes|has|has_key) `, "it is item in x"},
	{`^process has no \.(running|is_alive|is_running|poll) `, "p.alive says whether it has not ended"},
	{`^process has no \.(returncode|exit_code|status) `, "p.code is its exit code, p.wait() waits for it"},
	{`^process has no \.(stdout|stderr|output|log) `, "p.logs() is what it has printed, p.expect(regexp) waits for it"},
	{`^process has no \.(terminate|close|end) `, "p.stop() ends it"},
	{`^list has no \.(add|push) `, "it is append"},
	{`^string has no \.trim `, "it is strip"},
	{`^module has no \.sleep `, foreignNames["time.sleep"]},
	{`^module has no \.dumps? `, foreignNames["json.dumps"]},
	{`^module has no \.loads? `, foreignNames["json.loads"]},
}

// compiledRunMistakes are the regular expressions of runMistakes: most runs need none.
var compiledRunMistakes = sync.OnceValue(func() (all []*regexp.Regexp) {
	for _, m := range runMistakes {
		all = append(all, regexp.MustCompile(m.msg))
	}
	return all
})

// RunHint says what to write instead of what the interpreter refused with a message, "" when that is not known.
func RunHint(msg string) string {
	for i, re := range compiledRunMistakes() {
		if re.MatchString(msg) {
			return runMistakes[i].hint
		}
	}
	return ""
}
