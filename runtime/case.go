package runtime

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A SkipError ends a scenario that cannot run on this machine, or not now. Nothing catches it.
type SkipError struct{ Reason string }

func (e *SkipError) Error() string { return "skipped: " + e.Reason }

// Tests lists a script's test functions, those whose names begin with test_, in their order.
func (p *Program) Tests() []string {
	var names []string
	for _, stmt := range p.file.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && strings.HasPrefix(def.Name.Name, "test_") {
			names = append(names, def.Name.Name)
		}
	}
	return names
}

// failing is the comment by which a script says that it is there to fail, and with what.
var failing = regexp.MustCompile(`(?m)^# fails: (.+)$`)

// Fails is the regular expression that a script's failure is to match, from a line "# fails: REGEXP" in it; nil for one that
// is to succeed.
func (p *Program) Fails() (*regexp.Regexp, error) { return Fails(p.source) }

// Fails is Program.Fails of a script's text.
func Fails(source string) (*regexp.Regexp, error) {
	m := failing.FindStringSubmatch(source)
	if m == nil {
		return nil, nil
	}
	return regexp.Compile(m[1])
}

// RunTest executes a script and then one of its test functions, between its functions setup and teardown where it has
// those; teardown is called whatever became of the test. Each gets the test as its argument if it has a parameter.
func (s *Session) RunTest(ctx context.Context, p *Program, test string) error {
	return s.run(ctx, p, func(thread *starlark.Thread, globals starlark.StringDict) (err error) {
		call := func(name string) error {
			fn, ok := globals[name].(*starlark.Function)
			if !ok {
				return nil
			}
			var args starlark.Tuple
			if fn.NumParams() > 0 {
				args = starlark.Tuple{s.voc.Test(&View{s: s, thread: thread}, test)}
			}
			_, err := starlark.Call(thread, fn, args, nil)
			return err
		}
		if _, ok := globals[test].(*starlark.Function); !ok {
			return fmt.Errorf("%s is no function any more when the script has run", test)
		}
		if err := call("setup"); err != nil {
			return err
		}
		defer func() {
			if ctx.Err() == nil {
				err = errors.Join(err, call("teardown"))
			}
		}()
		return call(test)
	})
}
