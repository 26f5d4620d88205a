package runtime

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// At is an error of a place in the script other than that of the call that failed: in a text that the call was given.
type At struct {
	Pos syntax.Position
	Err error
}

func (e *At) Error() string { return e.Err.Error() }
func (e *At) Unwrap() error { return e.Err }

// in is a call stack whose innermost frame of the script's is at the place.
func (e *At) in(stack starlark.CallStack) starlark.CallStack {
	stack = slices.Clone(stack)
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].Pos.Line > 0 && stack[i].Pos.Filename() == e.Pos.Filename() {
			stack[i].Pos = e.Pos
			break
		}
	}
	return stack
}

// InText finds where in the script a line and a column of a text stand, which count from 1, when the innermost call of
// the script's own gives that text as it is: as the argument of a name, or at a place.
func (v *View) InText(name string, place, line, col int) (pos syntax.Position, ok bool) {
	call := v.callPosition()
	if v.s.loader == nil || !call.IsValid() {
		return pos, false
	}
	f, err := script.ParseFile(call.Filename(), []byte(v.s.loader.texts()[call.Filename()]))
	if err != nil {
		return pos, false
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		if c, is := n.(*syntax.CallExpr); is && c.Lparen.Line == call.Line && c.Lparen.Col == call.Col {
			for i, arg := range c.Args {
				if b, named := arg.(*syntax.BinaryExpr); named && b.Op == syntax.EQ {
					if id, is := b.X.(*syntax.Ident); !is || id.Name != name {
						continue
					}
					arg = b.Y
				} else if i != place {
					continue
				}
				if lit, is := arg.(*syntax.Literal); is && lit.Token == syntax.STRING {
					pos, ok = script.InLiteral(lit, line, col), true
				}
			}
		}
		return !ok
	})
	return pos, ok
}

// callPosition is where in the script the innermost call stands that is the script's own.
func (v *View) callPosition() syntax.Position {
	for i := range v.thread.CallStackDepth() {
		if pos := v.thread.DebugFrame(i).Position(); pos.Line > 0 &&
			!strings.HasPrefix(pos.Filename(), script.StdPrefix) {
			return pos
		}
	}
	return syntax.Position{}
}
