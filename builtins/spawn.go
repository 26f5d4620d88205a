package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

var spawnDecl = runtime.Change("spawn", "process",
	"Starts a command in a namespace that runs beside the script, such as a daemon, and goes on when it is "+
		"ready. It must stay in the foreground: when it ends, what it has started ends with it. It ends with the "+
		"lab, or with the attempt that it was started in, first by its stop signal; a kept lab keeps it running. "+
		"The command gets what run() gives one, a PID namespace of its own (pid_namespaces(7)), and as its "+
		"standard input a pipe that process.write() writes to. What it prints is its log, of which the last 1 to "+
		"2 MiB are kept as long as the lab is there. When it fails without having been asked to end (its exit "+
		"code is not 0, or it leaves processes running), the step that waits for it fails, or else the run, at "+
		"once; at the prompt that is said.",
	&spawnArgs{Timeout: waitArg(10 * time.Second), Stop: signalArg(unix.SIGTERM),
		Grace: graceArg(5 * time.Second)}).Needing("spawn")

type spawnArgs struct {
	NS      nsArg          `arg:"ns" doc:"the namespace"`
	Argv    []string       `arg:"argv" doc:"the command and its arguments, a list of strings"`
	_       struct{}       `arg:"*"`
	Name    processName    `arg:"name?" doc:"name, up to 64 letters, digits, '.', '_' and '-'; the program's when left out, with the next free number where the lab has one of that name"`
	Ready   readyArg       `arg:"ready?" doc:"what it is ready by: \"tcp:80\" or \"udp:53\", a port of the namespace that is listened on; \"line:REGEXP\", which its log matches (RE2); \"unix:/run/x.sock\", a socket that is listened on; \"file:/run/x.pid\", which is there; or a function that returns something true. None: it is ready when it was started"`
	Timeout waitArg        `arg:"timeout?" doc:"how long it may take to be ready"`
	Stdin   *string        `arg:"stdin?" doc:"all that it reads; what process.write() gives it when left out"`
	Env     *starlark.Dict `arg:"env?" doc:"variables to add to its environment"`
	Cwd     string         `arg:"cwd?" doc:"folder it is started in; the script's own when left out"`
	User    *userArg       `arg:"user?" doc:"user that it runs as, a name or a number, with the groups of that; a number that is no user's has the group nogroup, 65534; nsscript's own when left out"`
	Stop    signalArg      `arg:"stop?" doc:"signal that asks it to end, such as \"SIGINT\""`
	Grace   graceArg       `arg:"grace?" doc:"how long after that signal it is killed, up to 1m"`
	Restart bool           `arg:"restart?" doc:"start it again whenever it ends, after 100ms and up to 5s"`
	MayExit bool           `arg:"may_exit?" doc:"it may fail without the run failing"`
}

func (a *spawnArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if _, err := (&nsValue{tx.View, a.NS.NSRef}).open(); err != nil {
		return nil, err
	}
	job, err := a.job()
	if err != nil {
		return nil, err
	}
	name, err := a.Name.of(tx.View, a.Argv[0])
	if err != nil {
		return nil, err
	}
	if err := tx.Machine().Settle(); err != nil {
		return nil, err
	}
	op := &startProcess{Process: kernel.Process{NS: a.NS.NSRef, Name: name, Service: tx.Machine().FreeService(),
		Job: job}, MayExit: a.MayExit, waits: &waits{}}
	if err := tx.Apply(op); err != nil {
		return nil, err
	}
	p := &processValue{tx.View, op}
	// Before it is watched, so that a process which fails before it is ready fails this step, and not the run.
	done := op.waits.begin()
	defer done()
	tx.Beside(p.watch, p.look)
	if a.Ready.given() {
		err = a.Ready.await(p, time.Duration(a.Timeout))
	}
	return p, err
}

// job is what the arguments say but for where and under which name.
func (a *spawnArgs) job() (job proc.Job, err error) {
	if len(a.Argv) == 0 {
		return job, errors.New("spawn: argv is empty")
	}
	cmd := exec.Command(a.Argv[0], a.Argv[1:]...)
	if cmd.Err != nil {
		return job, &kernel.Error{Op: "start process", Object: a.Argv[0], NS: a.NS.String(), Err: cmd.Err}
	}
	job = proc.Job{Path: cmd.Path, Args: cmd.Args, Dir: a.Cwd, Input: a.Stdin, Stop: unix.Signal(a.Stop),
		Grace: time.Duration(a.Grace), Restart: a.Restart}
	if job.Dir == "" {
		if job.Dir, err = os.Getwd(); err != nil {
			return job, err
		}
	}
	if a.User != nil {
		job.User = &a.User.User
	}
	job.Env, err = environment(a.Env)
	return job, err
}

// processName is the name of a process that is to be.
type processName string

func (processName) ArgType() string { return "string" }

func (a *processName) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = processName(s)
	return kernel.ValidProcessName(s)
}

// of is the name, or the next free one after a program's. A process that has ended leaves its name to whoever says it.
func (a processName) of(v *runtime.View, program string) (string, error) {
	taken := map[string]bool{}
	for _, op := range runtime.Standing[*startProcess](v) {
		taken[op.Name] = taken[op.Name] || a == "" || op.Name == string(a) && op.running()
	}
	base := filepath.Base(program)
	if a == "" && kernel.ValidProcessName(base) != nil {
		base = "process"
	}
	base = cmp.Or(string(a), base)
	if a != "" && taken[base] {
		return "", &kernel.Error{Op: "start process", Object: base, Err: unix.EEXIST,
			Hint: "a process of the lab that is running has this name"}
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = base[:min(len(base), 60)] + "-" + strconv.Itoa(i)
	}
	return name, nil
}

// signalArg is a signal, given by its name.
type signalArg unix.Signal

func (signalArg) ArgType() string  { return "string" }
func (a signalArg) String() string { return unix.SignalName(unix.Signal(a)) }

func (a *signalArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want(`string such as "SIGTERM"`, val)
	}
	sig := unix.SignalNum("SIG" + strings.TrimPrefix(s, "SIG"))
	if sig == 0 {
		return fmt.Errorf("%q is no signal such as \"SIGTERM\" (signal(7))", s)
	}
	*a = signalArg(sig)
	return nil
}

// graceArg is how long a process may take to end.
type graceArg durationArg

func (graceArg) ArgType() string  { return durationArg(0).ArgType() }
func (a graceArg) String() string { return durationArg(a).String() }

func (a *graceArg) Unpack(val starlark.Value) error {
	if err := (*durationArg)(a).Unpack(val); err != nil {
		return err
	}
	if time.Duration(*a) > proc.MostGrace {
		return fmt.Errorf("%s is too long: undoing waits for that, up to %s", a, durationArg(proc.MostGrace))
	}
	return nil
}

// nogroup is the group of whoever is in none.
const nogroup = 65534

// userArg is a user, with the groups that the user is in.
type userArg struct{ proc.User }

func (userArg) ArgType() string { return "name or number" }

func (a *userArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	find := user.Lookup
	name, ok := starlark.AsString(val)
	if n, is := val.(starlark.Int); is {
		id, fits := n.Uint64()
		if !fits || id >= 1<<32-1 {
			return fmt.Errorf("%s is no user id", n)
		}
		find, name, ok = user.LookupId, n.String(), true
		a.UID, a.GID = uint32(id), nogroup
	}
	switch {
	case !ok:
		return want("name or number of a user", val)
	case v.Dry():
		return nil
	}
	u, err := find(name)
	if errors.As(err, new(user.UnknownUserIdError)) {
		return nil
	} else if err != nil {
		return err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return err
	}
	for _, id := range slices.Concat([]string{u.Uid, u.Gid}, groups) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return err
		}
		a.Groups = append(a.Groups, uint32(n))
	}
	a.UID, a.GID, a.Groups = a.Groups[0], a.Groups[1], a.Groups[2:]
	return nil
}

// startProcess starts a process that runs beside others.
type startProcess struct {
	kernel.Process
	MayExit bool `json:"may_exit,omitempty"`
	waits   *waits
}

var (
	_ change.Checkable = (*startProcess)(nil)
	_ change.Starter   = (*startProcess)(nil)
)

func (o *startProcess) Kind() string { return "process start" }
func (o *startProcess) Command() string {
	var words []string
	for _, w := range o.Job.Args {
		words = append(words, quoted(w))
	}
	return execIn(o.NS, strings.Join(words, " ")) + " &"
}
func (o *startProcess) Starts() kernel.Process            { return o.Process }
func (o *startProcess) Touches() []kernel.Object          { return nil }
func (o *startProcess) Claims() []change.Claim            { return nil }
func (o *startProcess) Check(*kernel.Machine, bool) error { return nil }
func (o *startProcess) Do(m *kernel.Machine) error        { return m.Start(o.Process) }
func (o *startProcess) Undo(m *kernel.Machine) error      { return m.End(o.Process) }

func (o *startProcess) running() bool {
	st, err := o.Service.State()
	return err != nil || !st.Ended
}

// waits are the steps of a script that wait for a process. When it fails, they do; when there are none, the run does.
type waits struct {
	mu    sync.Mutex
	steps int
	told  bool          // one of them has failed because the process has ended
	at    map[any]int64 // up to where each task has matched the log
}

// place is where a task goes on to match the log: where it was, or else the script itself.
func (w *waits) place(task any) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := w.at[task]; ok {
		return at
	}
	return w.at[nil]
}

// matched notes up to where a task has matched the log.
func (w *waits) matched(task any, at int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[any]int64{}
	}
	w.at[task] = at
}

// begin counts a step until done is called.
func (w *waits) begin() (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.steps--
	}
}

// tell notes that a step is failing because the process has ended: it is that step's failure, and not the run's.
func (w *waits) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = true
}

func (w *waits) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps == 0 && !w.told
}
