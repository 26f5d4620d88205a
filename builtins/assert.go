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

// saying is what a script has to say of a failure, in front of what is known of it.
type saying struct {
	Msg string `arg:"msg?" doc:"what to say first when it fails"`
}

func (s saying) failed(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if s.Msg != "" {
		text = s.Msg + ": " + text
	}
	return &assertError{"assert", "assert: " + text}
}

// comparison declares an assertion that two values stand in a relation.
func comparison(name, relation string, op syntax.Token, more string) *runtime.Decl {
	return runtime.Query("assert."+name, "None", "Fails unless "+relation+"; says what both sides are"+more,
		&compareArgs{op: op, relation: relation})
}

type compareArgs struct {
	A starlark.Value `arg:"a" doc:"one value"`
	B starlark.Value `arg:"b" doc:"the other"`
	saying
	op       syntax.Token
	relation string
}

func (c *compareArgs) Query(*runtime.View) (starlark.Value, error) {
	ok, err := starlark.Compare(c.op, c.A, c.B)
	if err != nil || ok {
		return starlark.None, err
	}
	if c.op == syntax.EQL {
		if text := difference(c.A, c.B); text != "" {
			return nil, c.failed("want %s%s", c.relation, text)
		}
	}
	return nil, c.failed("want %s%s%s", c.relation, shown("a", c.A), shown("b", c.B))
}

var (
	assertEq = comparison("eq", "a == b", syntax.EQL,
		", and of long texts, lists, dicts and structs where they differ.")
	assertNe = comparison("ne", "a != b", syntax.NEQ, ".")
	assertLt = comparison("lt", "a < b", syntax.LT, ".")
	assertLe = comparison("le", "a <= b", syntax.LE, ".")
	assertGt = comparison("gt", "a > b", syntax.GT, ".")
	assertGe = comparison("ge", "a >= b", syntax.GE, ".")
)

var (
	assertTrue  = runtime.Query("assert.true", "None", "Fails unless the value is true.", &truthArgs{want: true})
	assertFalse = runtime.Query("assert.false", "None", "Fails if the value is true.", &truthArgs{want: false})
)

type truthArgs struct {
	Value starlark.Value `arg:"value" doc:"the value"`
	saying
	want starlark.Bool
}

func (a *truthArgs) Query(*runtime.View) (starlark.Value, error) {
	if a.Value.Truth() == a.want {
		return starlark.None, nil
	}
	return nil, a.failed("want a value that is %v, got %s", a.want, shorten(script.Show(a.Value), mostShown))
}

var (
	assertContains = runtime.Query("assert.contains", "None",
		"Fails unless a container has an item, or a string has another in it.", &containsArgs{want: true})
	assertNotContains = runtime.Query("assert.not_contains", "None",
		"Fails if a container has an item, or a string has another in it.", &containsArgs{want: false})
)

type containsArgs struct {
	In   starlark.Value `arg:"container" doc:"list, dict, string ..."`
	Item starlark.Value `arg:"item" doc:"what it must have, or must not"`
	saying
	want starlark.Bool
}

func (a *containsArgs) Query(*runtime.View) (starlark.Value, error) {
	in, err := script.Among(a.Item, a.In)
	if err != nil || in.Truth() == a.want {
		return starlark.None, err
	}
	relation := map[starlark.Bool]string{true: "item in container", false: "item not in container"}[a.want]
	return nil, a.failed("want %s%s%s", relation, shown("item", a.Item), shown("container", a.In))
}

var assertMatches = runtime.Query("assert.matches", "None",
	"Fails unless a regular expression matches somewhere in a text, such as the output of a command.", &matchesArgs{})

type matchesArgs struct {
	Text    string     `arg:"text" doc:"the text"`
	Pattern patternArg `arg:"pattern" doc:"what must match (RE2); with (?m) in front, ^ and $ are the ends of lines"`
	saying
}

func (a *matchesArgs) Query(*runtime.View) (starlark.Value, error) {
	if a.Pattern.MatchString(a.Text) {
		return starlark.None, nil
	}
	return nil, a.failed("want a text that matches %q%s", a.Pattern, shown("text", starlark.String(a.Text)))
}

// patternArg is a regular expression.
type patternArg struct{ *regexp.Regexp }

func (patternArg) ArgType() string { return "regular expression" }

func (a *patternArg) Unpack(val starlark.Value) (err error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	a.Regexp, err = regexp.Compile(s)
	return err
}

var assertFails = runtime.Change("assert.fails", "None",
	"Fails unless the function fails with an error that the regular expression matches. What it changed is undone. "+
		"Without one, a mistake of the script (a wrong argument, an attribute that there is none of) is not what was "+
		"meant, and ends it.", &failsArgs{})

type failsArgs struct {
	Fn      starlark.Callable `arg:"fn" doc:"the function, without parameters"`
	Pattern patternArg        `arg:"pattern?" doc:"what its error must match somewhere (RE2)"`
	saying
}

func (a *failsArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	any := a.Pattern.Regexp == nil || a.Pattern.String() == ""
	_, err, stop := tx.Attempt(a.Fn, nil, nil)
	switch {
	case stop:
		return nil, err
	case any && runtime.Mistake(err):
		return nil, err
	case err == nil:
		return nil, a.failed("want an error, but %s did not fail", a.Fn.Name())
	case !any && !a.Pattern.MatchString(message(err)):
		return nil, a.failed("want an error that matches %q%s", a.Pattern, shown("got", starlark.String(message(err))))
	}
	return starlark.None, nil
}
