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
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/script"
)

// maxOutput bounds each output of a command: what is larger belongs in a file.
const maxOutput = 16 << 20

var runDecl = runtime.Change("run", "result",
	"Runs a command in a namespace and waits for it. It fails when the command's exit code is not 0; "+
		"a command that a signal ended has code 128 and the signal's number, as in a shell. "+
		"One that prints more than 16 MiB is killed, with all that it started, and fails. The command gets no shell, "+
		"descriptors 0 to 2 only, and PATH, HOME, LANG and TERM of the environment. "+
		"What is in /etc/netns/NAME is seen in /etc, as with `ip netns exec`. "+
		"What it leaves running, such as a daemon, belongs to the lab and ends with it, or with the attempt that it "+
		"was started in. The lab finds it by a cgroup (cgroups(7)). Where nsscript can make none of version 2, "+
		"the command runs in a PID namespace of its own (pid_namespaces(7)): what it leaves running ends with "+
		"nsscript at the latest, also when the lab is kept, and what it mounts is gone with it, "+
		"such as what `ip netns add` mounts on a name.",
	&runArgs{Check: true}).Needing("run")

type runArgs struct {
	NS      nsArg          `arg:"ns" doc:"the namespace"`
	Argv    []string       `arg:"argv" doc:"the command and its arguments, a list of strings"`
	_       struct{}       `arg:"*"`
	Timeout *waitArg       `arg:"timeout?" doc:"kill it after this time, with all that it started"`
	Stdin   string         `arg:"stdin?" doc:"what it reads"`
	Env     *starlark.Dict `arg:"env?" doc:"variables to add to its environment"`
	Cwd     string         `arg:"cwd?" doc:"folder it is started in"`
	VRF     *devIndex      `arg:"vrf?" doc:"vrf, or another link of the namespace, that its sockets are bound to, as ip-vrf(8) does; what the rules of the namespace say when left out"`
	Check   bool           `arg:"check?" doc:"fail when the exit code is not 0 or a signal ended it; False returns the result instead"`
}

func (a *runArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	n, err := (&nsValue{tx.View, a.NS.NSRef}).open()
	if err != nil {
		return nil, err
	}
	if len(a.Argv) == 0 {
		return nil, errors.New("run: argv is empty")
	}
	ctx, stop := context.WithCancelCause(tx.Context())
	defer stop(nil)
	if a.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(*a.Timeout),
			fmt.Errorf("it ran longer than %s and was killed", a.Timeout))
		defer cancel()
	}
	stdout, stderr := &output{full: stop}, &output{full: stop}
	cmd := exec.Command(a.Argv[0], a.Argv[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Cwd, strings.NewReader(a.Stdin), stdout, stderr
	if cmd.Env, err = environment(a.Env); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if err := tx.Machine().Settle(); err != nil {
		return nil, err
	}
	in, err := txProcs(tx)
	if err != nil {
		return nil, err
	}
	if a.VRF != nil {
		in.Link = a.VRF.Index
	}
	status, err := n.Run(ctx, cmd, in, tx.Aside)
	res := &runValue{tx.View, a.Argv, stdout.kept.String(), stderr.kept.String(), proc.ExitCode(status)}
	if err == nil && (res.code == 0 || !a.Check) {
		return res, nil
	}
	e := &kernel.Error{Op: "run", Object: res.command(), NS: n.Name(), Err: err}
	if err == nil && status.Signaled() {
		e.Err = fmt.Errorf("it was killed by %s", unix.SignalName(status.Signal()))
	} else if err == nil {
		e.Err = fmt.Errorf("exit code %d", res.code)
	}
	if k := new(kernel.Error); errors.As(err, &k) {
		e.Machine, e.Hint = k.Machine, k.Hint
	} else if errors.Is(err, proc.ErrNoBinding) {
		e.Machine, e.Hint = true, bindingRemedy
	}
	if text := strings.TrimSpace(res.stderr); text != "" {
		lines := strings.Split(text, "\n")
		e.Hint = "it said: " + strings.Join(lines[max(0, len(lines)-5):], "\n        ")
	}
	return nil, e
}

// bindingRemedy says how to get what vrf= needs.
const bindingRemedy = "as root and outside of a sandbox, with cgroup2 mounted writable and a kernel with it " +
	"(CONFIG_CGROUP_BPF); or --kernel debian"

// environment is that of a command: what nsscript's own says of a few variables, and others. It is never nil, which
// would be all of nsscript's own.
func environment(more *starlark.Dict) ([]string, error) {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "LANG", "TERM"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	if more == nil {
		return env, nil
	}
	for _, item := range more.Items() {
		k, ok1 := starlark.AsString(item[0])
		v, ok2 := starlark.AsString(item[1])
		if !ok1 || !ok2 || k == "" || strings.ContainsAny(k, "=\x00") {
			return nil, fmt.Errorf("env has %s: %s, want names and values that are strings", script.Show(item[0]),
				script.Show(item[1]))
		}
		env = append(env, k+"="+v)
	}
	return env, nil
}

// output keeps what a command prints. The rest of too much is dropped, and said once.
type output struct {
	kept bytes.Buffer
	full func(error)
}

func (o *output) Write(p []byte) (int, error) {
	keep := p[:min(len(p), maxOutput-o.kept.Len())]
	if o.kept.Write(keep); len(keep) < len(p) {
		o.full(fmt.Errorf("it printed more than %d MiB and was killed", maxOutput>>20))
	}
	return len(p), nil
}

// runValue is the result of a command in a script.
type runValue struct {
	v              *runtime.View
	argv           []string
	stdout, stderr string
	code           int
}

var (
	_ starlark.HasAttrs = (*runValue)(nil)
	_ runtime.Outputter = (*runValue)(nil)
)

func (r *runValue) Freeze()              {}
func (r *runValue) Truth() starlark.Bool { return r.code == 0 }
func (r *runValue) Type() string         { return "result" }
func (r *runValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable type: result")
}
func (r *runValue) String() string {
	return fmt.Sprintf("%s: exit code %d", r.command(), r.code)
}

// command is the command as it was given, as much of it as a line of a message holds.
func (r *runValue) command() string {
	const most = 200
	if line := strings.Join(r.argv, " "); len(line) <= most {
		return line
	} else {
		return strings.ToValidUTF8(line[:most], "") + "..."
	}
}

// Output is what the command wrote, to its standard error when it wrote nothing else.
func (r *runValue) Output() (text, attr string) {
	if r.stdout == "" {
		return r.stderr, "stderr"
	}
	return r.stdout, "stdout"
}

func (r *runValue) Attr(name string) (starlark.Value, error) { return r.v.Attr("result", r, name) }
func (r *runValue) AttrNames() []string                      { return r.v.AttrNames("result") }

func runAttr(name, typ, doc string, get func(r *runValue) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(r.(*runValue)), nil
		}}
}

var runType = &runtime.Type{Name: "result", Doc: "The result of a command; true when its exit code is 0.",
	Attrs: []runtime.Attr{
		runAttr("stdout", "string", "what it wrote to its standard output", func(r *runValue) starlark.Value {
			return starlark.String(r.stdout)
		}),
		runAttr("stderr", "string", "what it wrote to its standard error", func(r *runValue) starlark.Value {
			return starlark.String(r.stderr)
		}),
		runAttr("code", "int", "its exit code; 128 and the signal's number when a signal ended it",
			func(r *runValue) starlark.Value { return starlark.MakeInt(r.code) }),
	}}
