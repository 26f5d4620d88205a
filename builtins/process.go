package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// maxOutput bounds what is kept of a command's output.
const maxOutput = 16 << 20

var runDecl = runtime.Change("run", "result",
	"Runs a command in a namespace and waits for it. It fails when the command's exit code is not 0. The command gets no shell, descriptors 0 to 2 only, and PATH, HOME, LANG and TERM of the environment. "+
		"What it leaves running, such as a daemon, belongs to the lab and ends with it, or with the attempt that it was started in. The lab finds it by a cgroup (cgroups(7)). Where nsscript can make none of version 2, the command runs in a PID namespace of its own (pid_namespaces(7)): what it leaves running ends with nsscript at the latest, also when the lab is kept, and what it mounts is gone with it, such as what `ip netns add` mounts on a name.",
	&runArgs{Check: true}).Needing("run")

type runArgs struct {
	NS      nsArg          `arg:"ns" doc:"the namespace"`
	Argv    []string       `arg:"argv" doc:"the command and its arguments, a list of strings"`
	_       struct{}       `arg:"*"`
	Timeout *waitArg       `arg:"timeout?" doc:"kill it after this time, with all that it started"`
	Stdin   string         `arg:"stdin?" doc:"what it reads"`
	Env     *starlark.Dict `arg:"env?" doc:"variables to add to its environment"`
	Cwd     string         `arg:"cwd?" doc:"folder it is started in"`
	Check   bool           `arg:"check?" doc:"fail when the exit code is not 0; False returns the result instead"`
}

func (a *runArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	n, err := (&nsValue{tx.View, a.NS.NSRef}).open()
	if err != nil {
		return nil, err
	}
	if len(a.Argv) == 0 {
		return nil, errors.New("run: argv is empty")
	}
	ctx := tx.Context()
	if a.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(*a.Timeout), fmt.Errorf("it ran longer than %s and was killed", a.Timeout))
		defer cancel()
	}
	var stdout, stderr output
	cmd := exec.Command(a.Argv[0], a.Argv[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Cwd, strings.NewReader(a.Stdin), &stdout, &stderr
	cmd.Env = []string{} // not nil: that would be all of ours
	for _, name := range []string{"PATH", "HOME", "LANG", "TERM"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	if a.Env != nil {
		for _, item := range a.Env.Items() {
			k, ok1 := starlark.AsString(item[0])
			v, ok2 := starlark.AsString(item[1])
			if !ok1 || !ok2 || k == "" || strings.ContainsAny(k, "=\x00") {
				return nil, fmt.Errorf("run: env has %s: %s, want names and values that are strings", runtime.Show(item[0]), runtime.Show(item[1]))
			}
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	if err := tx.Machine().Settle(); err != nil {
		return nil, err
	}
	pen, err := labPen(tx)
	if err != nil {
		return nil, err
	}
	status, err := n.Run(ctx, cmd, pen)
	if err == nil && status.Signaled() {
		err = fmt.Errorf("it was killed by %s", unix.SignalName(status.Signal()))
	}
	res := &runValue{tx.View, a.Argv, stdout.String(), stderr.String(), status.ExitStatus()}
	if err == nil && (res.code == 0 || !a.Check) {
		return res, nil
	}
	e := &kernel.Error{Op: "run", Object: strings.Join(a.Argv, " "), NS: n.Name(), Err: err}
	if err == nil {
		e.Err = fmt.Errorf("exit code %d", res.code)
	}
	if k := new(kernel.Error); errors.As(err, &k) {
		e.Machine, e.Hint = k.Machine, k.Hint
	}
	if text := strings.TrimSpace(res.stderr); text != "" {
		lines := strings.Split(text, "\n")
		e.Hint = "it said: " + strings.Join(lines[max(0, len(lines)-5):], "\n        ")
	}
	return nil, e
}

// output keeps what a command prints, up to a limit.
type output struct{ bytes.Buffer }

func (o *output) Write(p []byte) (int, error) {
	if o.Len()+len(p) > maxOutput {
		return 0, fmt.Errorf("more than %d bytes of output", maxOutput)
	}
	return o.Buffer.Write(p)
}

// runValue is the result of a command in a script.
type runValue struct {
	v              *runtime.View
	argv           []string
	stdout, stderr string
	code           int
}

var _ starlark.HasAttrs = (*runValue)(nil)

func (r *runValue) Freeze()              {}
func (r *runValue) Truth() starlark.Bool { return r.code == 0 }
func (r *runValue) Type() string         { return "result" }
func (r *runValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable type: result")
}
func (r *runValue) String() string {
	return fmt.Sprintf("%s: exit code %d", strings.Join(r.argv, " "), r.code)
}
func (r *runValue) Attr(name string) (starlark.Value, error) { return r.v.Attr("result", r, name) }
func (r *runValue) AttrNames() []string                      { return r.v.AttrNames("result") }

func runAttr(name, typ, doc string, get func(r *runValue) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc, Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
		return get(r.(*runValue)), nil
	}}
}

var runType = &runtime.Type{Name: "result", Doc: "The result of a command; true when its exit code is 0.",
	Attrs: []runtime.Attr{
		runAttr("stdout", "string", "what it wrote to its standard output", func(r *runValue) starlark.Value { return starlark.String(r.stdout) }),
		runAttr("stderr", "string", "what it wrote to its standard error", func(r *runValue) starlark.Value { return starlark.String(r.stderr) }),
		runAttr("code", "int", "its exit code", func(r *runValue) starlark.Value { return starlark.MakeInt(r.code) }),
	}}
