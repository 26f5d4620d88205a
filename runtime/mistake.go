package runtime

import (
	"errors"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// mistakes are what the interpreter says of code that can never work, whatever the state of the machine.
var mistakes = script.Pattern(`has no \.\w+ (field or method|attribute)|^unknown (binary|unary) op: |^invalid call of non-function` +
	`|^function \S+ (accepts|missing|got) |referenced before assignment$|^unhandled index operation|^unhashable type: ` +
	`| not implemented$|is not iterable|cannot .* frozen (list|hash table)$|^[\w.]+: (for parameter|got \d+ arguments|missing argument|unexpected keyword)`)

// Mistake reports whether an error is one of the script's own making that trying again cannot mend: a wrong argument, an
// attribute that there is none of, an operation that the types do not have. What is not there, or is None, may be there later.
func Mistake(err error) bool {
	if errors.As(err, new(*UsageError)) {
		return !errors.As(err, new(*kernel.Error)) && !errors.Is(err, kernel.ErrGone)
	}
	var eval *starlark.EvalError
	for errors.As(err, &eval) && eval.Unwrap() != nil {
		err = eval.Unwrap()
	}
	if eval == nil || errors.As(err, new(*kernel.Error)) {
		return false
	}
	return mistakes().MatchString(err.Error()) && !strings.Contains(err.Error(), "NoneType")
}
