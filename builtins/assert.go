package builtins

import (
	"fmt"
	"regexp"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// assertError is a failure that the script itself asked for.
type assertError struct{ code, msg string }

func (e *assertError) Error() string { return e.msg }

func failed(format string, args ...any) error {
	return &assertError{"assert", "assert: " + fmt.Sprintf(format, args...)}
}

// comparison declares an assertion that two values stand in a relation.
func comparison(name, relation string, op syntax.Token) *runtime.Decl {
	return runtime.Query("assert."+name, "None", "Fails unless "+relation+"; says what both sides are.", &compareArgs{op: op, relation: relation})
}

type compareArgs struct {
	A        starlark.Value `arg:"a" doc:"one value"`
	B        starlark.Value `arg:"b" doc:"the other"`
	op       syntax.Token
	relation string
}

func (c *compareArgs) Query(*runtime.View) (starlark.Value, error) {
	ok, err := starlark.Compare(c.op, c.A, c.B)
	if err == nil && !ok {
		err = failed("want %s\n  a: %s\n  b: %s", c.relation, script.Show(c.A), script.Show(c.B))
	}
	return starlark.None, err
}

var (
	assertEq = comparison("eq", "a == b", syntax.EQL)
	assertNe = comparison("ne", "a != b", syntax.NEQ)
	assertLt = comparison("lt", "a < b", syntax.LT)
	assertLe = comparison("le", "a <= b", syntax.LE)
	assertGt = comparison("gt", "a > b", syntax.GT)
	assertGe = comparison("ge", "a >= b", syntax.GE)
)

var (
	assertTrue  = runtime.Query("assert.true", "None", "Fails unless the value is true.", &truthArgs{want: true})
	assertFalse = runtime.Query("assert.false", "None", "Fails if the value is true.", &truthArgs{want: false})
)

type truthArgs struct {
	Value starlark.Value `arg:"value" doc:"the value"`
	Msg   string         `arg:"msg?" doc:"what to say when it fails"`
	want  starlark.Bool
}

func (a *truthArgs) Query(*runtime.View) (starlark.Value, error) {
	if a.Value.Truth() == a.want {
		return starlark.None, nil
	}
	if a.Msg != "" {
		return nil, failed("%s (got %s)", a.Msg, script.Show(a.Value))
	}
	return nil, failed("want a value that is %v, got %s", a.want, script.Show(a.Value))
}

var assertContains = runtime.Query("assert.contains", "None", "Fails unless a container has an item, or a string has another in it.", &containsArgs{})

type containsArgs struct {
	In   starlark.Value `arg:"container" doc:"list, dict, string ..."`
	Item starlark.Value `arg:"item" doc:"what must be in it"`
}

func (a *containsArgs) Query(*runtime.View) (starlark.Value, error) {
	in, err := starlark.Binary(syntax.IN, a.Item, a.In)
	if err == nil && !in.Truth() {
		err = failed("want %s in the container, got %s", script.Show(a.Item), script.Show(a.In))
	}
	return starlark.None, err
}

var assertFails = runtime.Change("assert.fails", "None",
	"Fails unless the function fails with an error that the regular expression matches. What it changed is undone. Without one, a mistake of the script (a wrong argument, an attribute that there is none of) is not what was meant, and ends it.", &failsArgs{})

type failsArgs struct {
	Fn      starlark.Callable `arg:"fn" doc:"the function, without parameters"`
	Pattern string            `arg:"pattern?" doc:"regular expression (RE2) that its error must match somewhere"`
}

func (a *failsArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	re, err := regexp.Compile(a.Pattern)
	if err != nil {
		return nil, fmt.Errorf("assert.fails: %w", err)
	}
	_, err, stop := tx.Attempt(a.Fn, nil, nil)
	switch {
	case stop:
		return nil, err
	case a.Pattern == "" && runtime.Mistake(err):
		return nil, err
	case err == nil:
		return nil, failed("want an error, but %s did not fail", a.Fn.Name())
	case !re.MatchString(message(err)):
		return nil, failed("want an error that matches %q\n  got: %s", a.Pattern, message(err))
	}
	return starlark.None, nil
}
