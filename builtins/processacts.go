package builtins

import (
	"context"
	"errors"
	"regexp"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// processDecls are the builtins about processes that run beside the script.
var processDecls = []*runtime.Decl{spawnDecl, processesDecl, processWaitDecl, processExpectDecl, processLogsDecl,
	processWriteDecl, processSignalDecl, processStopDecl, processKillDecl}

var processesDecl = runtime.Query("processes", "list of process",
	"Lists the processes that the lab has started with spawn(), also those that have ended, oldest first.",
	&processesArgs{})

type processesArgs struct{}

func (*processesArgs) Query(v *runtime.View) (starlark.Value, error) {
	var all []starlark.Value
	for _, op := range runtime.Standing[*startProcess](v) {
		if op.waits == nil { // it was read from the journal of a lab that was entered
			op.waits = &waits{}
		}
		all = append(all, &processValue{v, op})
	}
	return starlark.NewList(all), nil
}

var processWaitDecl = runtime.Query("process.wait", "int",
	"Waits until the process has ended, and returns its exit code, 128 and the signal's number when a signal ended "+
		"it. It fails when the process does: see spawn().", &processWaitArgs{})

type processWaitArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
	Timeout *waitArg      `arg:"timeout?" doc:"how long to wait; as long as it takes when left out"`
}

func (a *processWaitArgs) Query(v *runtime.View) (starlark.Value, error) {
	p := &processValue{v, a.Process.op}
	var timeout time.Duration
	if a.Timeout != nil {
		timeout = time.Duration(*a.Timeout)
	}
	var code int
	err := p.until("wait for", "end", timeout, false, func(st proc.ServiceState) (bool, error) {
		code = proc.ExitCode(st.Status)
		if st.Ended && p.failed(st) {
			return false, p.fail("wait for", how(st), true)
		}
		return st.Ended, nil
	})
	return starlark.MakeInt(code), err
}

var processExpectDecl = runtime.Query("process.expect", "list of string",
	"Waits until the process's log matches, from where the last match ended, and returns what matched: the whole, and "+
		"then each group. Each function of parallel() has a place of its own, and begins where the script was.",
	&processExpectArgs{Timeout: waitArg(5 * time.Second)})

type processExpectArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
	Regexp  regexpArg     `arg:"regexp" doc:"regular expression (RE2); ^ and $ match at each line's ends"`
	_       struct{}      `arg:"*"`
	Timeout waitArg       `arg:"timeout?" doc:"how long to wait"`
}

func (a *processExpectArgs) Query(v *runtime.View) (starlark.Value, error) {
	p := &processValue{v, a.Process.op}
	op := "expect " + starlark.String(a.Regexp.text).String() + " of"
	all, err := p.match(op, a.Regexp.Regexp, time.Duration(a.Timeout))
	if err != nil {
		return nil, err
	}
	return stringList(all), nil
}

// regexpArg is a regular expression over lines.
type regexpArg struct {
	*regexp.Regexp
	text string
}

func (regexpArg) ArgType() string { return "string" }

func (a *regexpArg) Unpack(val starlark.Value) (err error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	a.text = s
	a.Regexp, err = regexp.Compile("(?m)" + s)
	return err
}

var processLogsDecl = runtime.Query("process.logs", "string",
	"What the process has printed, to its standard output and its standard error: the end of it, of at least 1 MiB.",
	&processLogsArgs{Tail: -1})

type processLogsArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
	_       struct{}      `arg:"*"`
	Tail    tailArg       `arg:"tail?" doc:"only so many lines from its end; None: all that is kept"`
}

// tailArg is how many lines from the end of a log.
type tailArg int

func (tailArg) ArgType() string  { return "int" }
func (a tailArg) String() string { return "" }

func (a *tailArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[tailArg](val, 0, 1<<30)
	return err
}

func (a *processLogsArgs) Query(v *runtime.View) (starlark.Value, error) {
	text, _, err := a.Process.op.Service.Tail(int(a.Tail))
	return starlark.String(text), a.Process.fail("read log of", err, false)
}

var processStopDecl = runtime.Change("process.stop", "int",
	"Asks the process to end by its stop signal, kills it when it has not ended when its grace is over, and returns "+
		"its exit code. One that has ended is let be. Undoing this does not start it again.", &processStopArgs{})

type processStopArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
}

func (a *processStopArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	p := &processValue{tx.View, a.Process.op}
	err := p.aside("stop", func(ctx context.Context) error { return p.op.Service.Stop(ctx, p.op.Job.Grace) })
	if err != nil {
		return nil, err
	}
	return p.code("stop")
}

// code is the exit code of a process that has ended.
func (p *processValue) code(op string) (starlark.Value, error) {
	st, err := p.op.Service.State()
	if err == nil && !st.Ended {
		err = errors.New("it does not end")
	}
	return starlark.MakeInt(proc.ExitCode(st.Status)), p.fail(op, err, false)
}

var processKillDecl = runtime.Change("process.kill", "int",
	"Kills the process and all that it has started, and returns its exit code, 137. One that has ended is let be.",
	&processKillArgs{})

type processKillArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
}

func (a *processKillArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	p := &processValue{tx.View, a.Process.op}
	err := p.op.Service.Signal(unix.SIGKILL)
	if err != nil && !errors.Is(err, proc.ErrEnded) {
		return nil, p.fail("kill", err, false)
	}
	err = p.until("kill", "end", 0, false, func(st proc.ServiceState) (bool, error) { return st.Ended, nil })
	if err != nil {
		return nil, err
	}
	return p.code("kill")
}

var processSignalDecl = runtime.Change("process.signal", "None",
	"Sends the process a signal. After SIGTERM, SIGINT, SIGQUIT, SIGABRT and SIGKILL it is one that was asked to end.",
	&processSignalArgs{})

type processSignalArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
	Signal  signalArg     `arg:"signal" doc:"name of the signal, such as \"SIGHUP\" (signal(7))"`
}

func (a *processSignalArgs) Change(*runtime.Tx) (starlark.Value, error) {
	err := a.Process.op.Service.Signal(unix.Signal(a.Signal))
	return starlark.None, a.Process.fail("send "+a.Signal.String()+" to", err, false)
}

var processWriteDecl = runtime.Change("process.write", "None",
	"Writes a text to the process's standard input, and returns when that has taken all of it.",
	&processWriteArgs{Timeout: waitArg(5 * time.Second)})

type processWriteArgs struct {
	Process *processValue `arg:"process" doc:"the process"`
	Text    string        `arg:"text" doc:"the text, with a line's end where it needs one"`
	_       struct{}      `arg:"*"`
	Timeout waitArg       `arg:"timeout?" doc:"how long the process may take to read it"`
}

func (a *processWriteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	p := &processValue{tx.View, a.Process.op}
	return starlark.None, p.aside("write to", func(ctx context.Context) error {
		return p.op.Service.Write(ctx, a.Text, time.Duration(a.Timeout))
	})
}
