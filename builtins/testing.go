package builtins

import (
	"errors"
	"os/exec"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// testValue is the test that is running, in a script.
type testValue struct {
	v    *runtime.View
	name string
}

var _ starlark.HasAttrs = (*testValue)(nil)

func (t *testValue) Freeze()                                  {}
func (t *testValue) Truth() starlark.Bool                     { return true }
func (t *testValue) String() string                           { return t.name }
func (t *testValue) Type() string                             { return "test" }
func (t *testValue) Hash() (uint32, error)                    { return starlark.String(t.name).Hash() }
func (t *testValue) Attr(name string) (starlark.Value, error) { return t.v.Attr("test", t, name) }
func (t *testValue) AttrNames() []string                      { return t.v.AttrNames("test") }

var testType = &runtime.Type{Name: "test", Doc: "A test that is running: what setup, teardown and functions whose " +
	"names begin with test_ get if they have a parameter.",
	Attrs: []runtime.Attr{
		{Name: "name", Type: "string", Doc: "the test function's name",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*testValue).name), nil
			}},
	}}

var skipDecl = runtime.Query("test.skip", "None", "Ends the test without success or failure.", &skipArgs{})

type skipArgs struct {
	Test   *testValue `arg:"test" doc:"the test"`
	Reason string     `arg:"reason" doc:"why it cannot run"`
}

func (a *skipArgs) Query(*runtime.View) (starlark.Value, error) {
	return nil, &runtime.SkipError{Reason: a.Reason}
}

var requireDecl = runtime.Query("require", "None",
	"Ends a test as skipped, and any other run as one that this machine cannot do, when the machine lacks a feature. "+
		"`nsscript doctor` lists the features.", &requireArgs{})

type requireArgs struct {
	Feature featureArg `arg:"feature" doc:"name of the feature; or \"program:NAME\", a program of the machine's, by its name or its path"`
}

// featureArg is a feature, given by its name.
type featureArg struct{ *runtime.Feature }

func (featureArg) ArgType() string { return "string" }

func (featureArg) Choices(voc *runtime.Vocabulary) (names []string) {
	for _, f := range voc.Features {
		names = append(names, f.Name)
	}
	return names
}

func (a *featureArg) UnpackIn(v *runtime.View, val starlark.Value) (err error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	if program, ok := strings.CutPrefix(s, "program:"); ok {
		a.Feature, err = programFeature(program)
		return err
	}
	a.Feature, err = v.Vocabulary().Feature(s)
	return err
}

// programFeature is a program that a machine may lack.
func programFeature(name string) (*runtime.Feature, error) {
	if name == "" {
		return nil, errors.New(`"program:" has no name behind it, such as "program:dnsmasq"`)
	}
	return &runtime.Feature{Name: name, Remedy: "install the program",
		Probe: func(*kernel.Machine) error {
			_, err := exec.LookPath(name)
			return err
		}}, nil
}

func (a *requireArgs) Query(v *runtime.View) (starlark.Value, error) {
	f := a.Feature
	if err := f.Probe(v.Machine()); err != nil {
		return nil, &runtime.SkipError{Reason: "this machine has no " + f.Name + ": " + err.Error() + "; " + f.Remedy}
	}
	return starlark.None, nil
}
