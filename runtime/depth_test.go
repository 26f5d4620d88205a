package runtime

import (
	"errors"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/script"
)

// TestNested parses texts that are nested deep in each way that there is: one that no person writes is refused, since
// what looks at it later takes a time that is quadratic. The parser itself has a limit for some.
func TestNested(t *testing.T) {
	voc := &Vocabulary{}
	for _, c := range []struct{ begin, more, end string }{
		{`x = "a"`, ".b", ""},
		{"x = 1", " + 1", ""},
		{"x = 1", " and 1", ""},
		{"x = len", "()", ""},
		{"x = [1]", "[0]", ""},
		{"x = [1]", "[0:]", ""},
		{"x = ", "-", "1"},
		{"x = ", "[", "1"},
		{"x = ", "lambda: ", "1"},
		{"x = ", "1 if 1 else ", "1"},
		{"if 1:\n  pass\n", "elif 1:\n  pass\n", ""},
	} {
		for n, deep := range map[int]bool{50: false, 20000: true} {
			src := c.begin + strings.Repeat(c.more, n) + c.end
			if c.more == "[" {
				src += strings.Repeat("]", n)
			}
			_, err := voc.Parse("deep.star", []byte(src+"\n"))
			var wrong *script.SyntaxError
			if !deep && err != nil || deep &&
				(!errors.As(err, &wrong) || !strings.Contains(wrong.List[0].Msg, "nest")) {
				t.Errorf("%s and %d times %q: %v", c.begin, n, c.more, err)
			}
		}
	}
}
