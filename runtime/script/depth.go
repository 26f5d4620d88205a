package script

import (
	"fmt"

	"go.starlark.net/syntax"
)

// mostNested is how deep expressions and statements of a script may be nested, chains such as a.b.c and 1 + 1 + 1
// included: who looks at each part and at all that is in it takes a time that is quadratic, as buildifier's printer
// does.
const mostNested = 1000

// nested is what is wrong with a file in which something is nested too deep, nil when nothing is.
func nested(f *syntax.File) (deep *Finding) {
	depth := 0
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			depth--
			return false
		}
		if depth > mostNested {
			if deep == nil {
				deep = &Finding{Pos: syntax.Start(n), Msg: fmt.Sprintf("this is nested more than %d deep", mostNested),
					Hint: "give parts of it names"}
			}
			return false
		}
		depth++
		return true
	})
	return deep
}
