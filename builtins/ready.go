package builtins

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// readyArg is what a process is ready by.
type readyArg struct {
	text    string
	line    *regexp.Regexp
	reached func(p *processValue) (bool, error) // asked again and again where there is no line
}

func (readyArg) ArgType() string { return "string or function" }

// readiness are the forms of readyArg by what they begin with, but for a line. Each checks the rest, and makes what is
// asked.
var readiness = map[string]func(rest string) (func(p *processValue) (bool, error), error){
	"tcp":  func(rest string) (func(p *processValue) (bool, error), error) { return listens("tcp", "LISTEN", rest) },
	"udp":  func(rest string) (func(p *processValue) (bool, error), error) { return listens("udp", "UNCONN", rest) },
	"unix": func(rest string) (func(p *processValue) (bool, error), error) { return absolute(rest, accepts) },
	"file": func(rest string) (func(p *processValue) (bool, error), error) { return absolute(rest, exists) },
}

func (a *readyArg) UnpackIn(v *runtime.View, val starlark.Value) (err error) {
	if fn, ok := val.(starlark.Callable); ok {
		a.text = fn.Name()
		a.reached = func(p *processValue) (bool, error) {
			got, err := p.v.Call(fn, nil, nil)
			return err == nil && bool(got.Truth()), err
		}
		return nil
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return want(`string such as "tcp:80", or a function`, val)
	}
	a.text = s
	kind, rest, _ := strings.Cut(s, ":")
	if kind == "line" {
		a.line, err = regexp.Compile("(?m)" + rest)
		return err
	}
	form, ok := readiness[kind]
	if !ok {
		return fmt.Errorf(`%q is not "tcp:PORT", "udp:PORT", "line:REGEXP", "unix:PATH" or "file:PATH"`, s)
	}
	a.reached, err = form(rest)
	return err
}

// given reports whether there is anything to wait for.
func (a *readyArg) given() bool { return a.text != "" }

// await waits until the process is ready.
func (a *readyArg) await(p *processValue, timeout time.Duration) error {
	op := "wait for " + a.text + " of"
	if a.line != nil {
		_, err := p.match(op, a.line, timeout)
		return err
	}
	return p.until(op, "come", timeout, true, func(proc.ServiceState) (bool, error) { return a.reached(p) })
}

// listens is whether a port of the namespace is listened on.
func listens(proto, state, port string) (func(p *processValue) (bool, error), error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%q is no port, 1 to 65535", port)
	}
	return func(p *processValue) (bool, error) {
		ns, err := p.v.Machine().Namespace(p.op.NS)
		if err != nil {
			return false, err
		}
		all, err := ns.Sockets()
		for _, s := range all {
			if s.Proto == proto && s.State == state && s.Local.Port() == uint16(n) {
				return true, nil
			}
		}
		return false, err
	}, nil
}

// absolute has a path looked at below the root that the process has.
func absolute(path string, look func(proc, path string) bool) (func(p *processValue) (bool, error), error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is no absolute path", path)
	}
	return func(p *processValue) (bool, error) {
		pid, err := p.op.Service.Process()
		switch {
		case errors.Is(err, proc.ErrEnded):
			return false, nil // that is told otherwise, or it is started again
		case err == nil && pid == 0:
			err = errors.New("its files are not seen from here, where its PID namespace is not")
		}
		if err != nil {
			return false, p.fail("look at", err, false)
		}
		return look("/proc/"+strconv.Itoa(pid), filepath.Clean(path)), nil
	}, nil
}

// exists reports whether a file is there.
func exists(process, path string) bool {
	_, err := os.Stat(process + "/root" + path)
	return err == nil
}

// accepts reports whether a socket is listened on: proc_net(5) shows that by a flag of it. Its path is the last of
// eight fields, as it is.
func accepts(process, path string) bool {
	text, _ := os.ReadFile(process + "/net/unix") // one that has ended listens on none
	return slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
		rest, ok := strings.CutSuffix(line, " "+path)
		f := strings.Fields(rest)
		return ok && len(f) == 7 && f[3] == "00010000"
	})
}
