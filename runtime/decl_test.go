package runtime

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// even is an argument type of its own.
type even int

func (even) ArgType() string { return "even number" }

func (e *even) Unpack(v starlark.Value) error {
	n, err := starlark.AsInt32(v)
	if err == nil && n%2 != 0 {
		err = fmt.Errorf("%d is odd", n)
	}
	*e = even(n)
	return err
}

// spot is an argument that needs the run to be understood.
type spot string

func (spot) ArgType() string { return "spot" }

func (p *spot) UnpackIn(v *View, val starlark.Value) error {
	if v == nil {
		return errors.New("no run")
	}
	*p = spot("at " + val.String())
	return nil
}

// callArgs has one of each kind of parameter, and returns what it was given.
type callArgs struct {
	A    spot             `arg:"alpha" doc:"the first"`
	B    even             `arg:"beta?" doc:"the second"`
	C    string           `arg:"gamma?" doc:"the third"`
	_    struct{}         `arg:"*"`
	D    int              `arg:"delta?" doc:"the fourth"`
	E    *bool            `arg:"epsilon?" doc:"the fifth"`
	F    []even           `arg:"zeta?" doc:"the sixth"`
	G    *starlark.Dict   `arg:"eta?" doc:"the seventh"`
	H    starlark.Value   `arg:"theta?" doc:"the eighth"`
	I    string           `arg:"iota" doc:"the ninth, which is needed"`
	Rest []starlark.Tuple `arg:"**kappa" doc:"all others"`
}

func (a *callArgs) Query(*View) (starlark.Value, error) {
	e := "nil"
	if a.E != nil {
		e = fmt.Sprint(*a.E)
	}
	return starlark.String(fmt.Sprintf("%s %d %q %d %s %v %v %v %q %v", a.A, a.B, a.C, a.D, e, a.F, a.G, a.H,
		a.I, a.Rest)), nil
}

type restArgs struct {
	First string        `arg:"first" doc:"the first"`
	Rest  []even        `arg:"*rest" doc:"numbers"`
	Named starlark.Bool `arg:"named?" doc:"by name only, as it comes after the rest"`
}

func (a *restArgs) Query(*View) (starlark.Value, error) {
	return starlark.String(fmt.Sprintf("%s %v %v", a.First, a.Rest, a.Named)), nil
}

type thing struct{ starlark.Value }

func (*thing) Type() string { return "thing" }

type methodArgs struct {
	Thing *thing            `arg:"thing" doc:"the receiver"`
	Name  string            `arg:"name" doc:"its name"`
	Size  int               `arg:"size?" doc:"its size"`
	Fn    starlark.Callable `arg:"fn?" doc:"what to call"`
}

func (a *methodArgs) Query(*View) (starlark.Value, error) {
	return starlark.String(fmt.Sprintf("%v %s %d", a.Thing != nil, a.Name, a.Size)), nil
}

type noArgs struct{}

func (*noArgs) Query(*View) (starlark.Value, error) { return starlark.None, nil }

var (
	callDecl   = Query("call", "string", "Calls. And says so.", &callArgs{B: 2, D: 7})
	restDecl   = Query("rest", "string", "Takes the rest.", &restArgs{})
	methodDecl = Query("thing.name", "string", "Names the thing.", &methodArgs{Size: 3})
	noDecl     = Query("mod.no", "None", "Takes nothing.", &noArgs{})
)

// TestBind calls builtins in all the ways that there are, right and wrong.
func TestBind(t *testing.T) {
	s := &Session{}
	globals := starlark.StringDict{"call": &Func{d: callDecl, s: s}, "rest": &Func{d: restDecl, s: s},
		"name": &Func{d: methodDecl, s: s, recv: &thing{}}, "no": &Func{d: noDecl, s: s}}
	const usage = `call(alpha, beta=2, gamma=None, *, delta=7, epsilon=None, zeta=None, eta=None, theta=None, iota, ` +
		`**kappa) -> string`
	for _, c := range []struct{ call, want string }{
		// what is bound
		{`call(1, iota = "i")`, `at 1 2 "" 7 nil [] <nil> <nil> "i" []`},
		{`call(1, 4, "c", iota = "i")`, `at 1 4 "c" 7 nil [] <nil> <nil> "i" []`},
		{`call(iota = "i", gamma = "c", alpha = 1)`, `at 1 2 "c" 7 nil [] <nil> <nil> "i" []`},
		{`call(1, iota = "i", delta = -1, epsilon = False, zeta = (2, 4), eta = {1: 2}, theta = [3])`,
			`at 1 2 "" -1 false [2 4] {1: 2} [3] "i" []`},
		{`call(1, iota = "i", x = 1, y = 2)`, `at 1 2 "" 7 nil [] <nil> <nil> "i" [("x", 1) ("y", 2)]`},
		// None is the same as nothing where nothing is allowed, and a value where it is not
		{`call(1, None, None, iota = "i", delta = None, epsilon = None, zeta = None, eta = None, theta = None)`,
			`at 1 2 "" 7 nil [] <nil> <nil> "i" []`},
		{`call(None, iota = "i")`, `at None 2 "" 7 nil [] <nil> <nil> "i" []`},
		{`call(1, iota = None)`, `call: parameter "iota": got NoneType, want string`},
		{`rest("a", 2, None)`, `rest: argument 3: got NoneType, want int`},
		// types
		{`call(1, 3, iota = "i")`, `call: parameter "beta": 3 is odd`},
		{`call(1, iota = 1)`, `call: parameter "iota": got int, want string`},
		{`call(1, iota = "i", delta = "x")`, `call: parameter "delta": got string, want int`},
		{`call(1, iota = "i", delta = True)`, `call: parameter "delta": got bool, want int`},
		{`call(1, iota = "i", delta = 1 << 70)`, `call: parameter "delta": 1180591620717411303424 is out of range`},
		{`call(1, iota = "i", epsilon = 1)`, `call: parameter "epsilon": got int, want bool`},
		{`call(1, iota = "i", zeta = 1)`, `call: parameter "zeta": got int, want list of even number`},
		{`call(1, iota = "i", zeta = "24")`, `call: parameter "zeta": got string, want list of even number`},
		{`call(1, iota = "i", zeta = [2, 3])`, `call: parameter "zeta": element 1: 3 is odd`},
		{`call(1, iota = "i", zeta = range(1 << 40))`, `call: parameter "zeta": 1099511627776 elements are too many`},
		{`call(1, iota = "i", eta = [])`, `call: parameter "eta": got list, want dict`},
		{`name("n", fn = 1)`, `thing.name: parameter "fn": got int, want function` +
			`: name it and do not call it, or write lambda: f(x)`},
		// how many
		{`call(1, 2, "c", 4, iota = "i")`, `call: got 4 positional arguments, want at most 3`},
		{`name("n", 1, len, 4)`, `thing.name: got 4 positional arguments, want at most 3`},
		{`no(1)`, `mod.no: got 1 positional arguments, want at most 0`},
		{`no(x = 1)`, `mod.no: unexpected keyword argument "x"`},
		{`call(1)`, `call: missing argument for iota`},
		{`call()`, `call: missing arguments for alpha, iota`},
		{`name()`, `thing.name: missing argument for name`},
		{`call(1, alpha = 2, iota = "i")`, `call: got two values for parameter "alpha"`},
		// the rest
		{`rest("a")`, `a [] False`},
		{`rest("a", 2, 4, named = True)`, `a [2 4] True`},
		{`rest(*["a", 2], **{"named": True})`, `a [2] True`},
		{`rest("a", 2, 3)`, `rest: argument 3: 3 is odd`},
		{`rest(2, first = "a")`, `rest: parameter "first": got int, want string`},
		{`rest("a", rest = [2])`, `rest: unexpected keyword argument "rest"`},
		// a method
		{`name("n")`, `true n 3`},
		{`name(size = 4, name = "n")`, `true n 4`},
		{`name("n", thing = 1)`, `thing.name: unexpected keyword argument "thing"`},
		// suggestions over all parameters
		{`name(nmae = "n")`, `thing.name: unexpected keyword argument "nmae", did you mean name=?`},
		{`name("n", siz = 1)`, `thing.name: unexpected keyword argument "siz", did you mean size=?`},
		{`name("n", fnn = len)`, `thing.name: unexpected keyword argument "fnn", did you mean fn=?`},
		{`name("n", thin = 1)`, `thing.name: unexpected keyword argument "thin"`},
		{`name("n", unlike = 1)`, `thing.name: unexpected keyword argument "unlike"`},
		{`rest("a", nmaed = True)`, `rest: unexpected keyword argument "nmaed", did you mean named=?`},
	} {
		val, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "bind.star", c.call, globals)
		got := ""
		if s, ok := val.(starlark.String); ok {
			got = string(s)
		}
		if err != nil {
			got = err.Error()
			var u *UsageError
			if !errors.As(err, &u) {
				t.Errorf("%s: %v is no usage error", c.call, err)
			} else if strings.HasPrefix(c.call, "call") && u.Hint != "usage: "+usage {
				t.Errorf("%s: hint %q", c.call, u.Hint)
			}
		}
		if got != c.want {
			t.Errorf("%s\n got: %s\nwant: %s", c.call, got, c.want)
		}
	}
}

// TestBindFresh checks that what one call was given is not there in the next.
func TestBindFresh(t *testing.T) {
	for range 2 {
		got, err := restDecl.bind(&View{}, nil, starlark.Tuple{starlark.String("a"), starlark.MakeInt(2)}, nil)
		if err != nil || len(got.(*restArgs).Rest) != 1 {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// panics is a builtin with a fault.
type panics struct{}

func (*panics) Query(*View) (starlark.Value, error) { panic("a fault") }

// TestPanic checks that a fault in a builtin is an error of its call.
func TestPanic(t *testing.T) {
	fn := &Func{d: Query("faulty", "None", "Panics.", &panics{}), s: &Session{}}
	_, err := starlark.Call(&starlark.Thread{}, fn, nil, nil)
	if p := script.AsPanic(err); p == nil || p.Error() != "faulty: internal error: a fault" ||
		!strings.Contains(string(p.Stack), "decl_test.go") {
		t.Errorf("got %v", err)
	}
}

// TestDeclare checks what a declaration must have.
func TestDeclare(t *testing.T) {
	for name, declare := range map[string]func(){
		"doc":           func() { Query("f", "None", "", &noArgs{}) },
		"parameter doc": func() { Query("f", "None", "Does.", &undocumented{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "has no doc") {
					t.Errorf("recovered %v", p)
				}
			}()
			declare()
		})
	}
	if d := Change("f", "None", "Does.", &changes{}); !d.Changes || noDecl.Changes {
		t.Error("Change and Query are not told apart")
	}
}

type undocumented struct {
	noArgs
	A int `arg:"a"`
}

type changes struct{}

func (*changes) Change(*Tx) (starlark.Value, error) { return nil, nil }
