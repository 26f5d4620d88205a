package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// A Server is where the lab in a sandbox is reached, as its first process has it.
type Server struct {
	in       *sandbox.Inside
	helper   []string
	describe func() Lab
	named    chan naming
}

// A naming is the answer to a lab that asked for another name.
type naming struct {
	at  *sandbox.Listener
	err error
}

// NewServer makes the server of a sandbox. Describe tells what the lab is now; helper is as in Options.
func NewServer(in *sandbox.Inside, helper []string, describe func() Lab) *Server {
	return &Server{in: in, helper: helper, describe: describe, named: make(chan naming, 1)}
}

// Serve answers who reaches the lab.
func (d *Server) Serve() error {
	for {
		l := d.in.Reached()
		c, err := l.Accept()
		if errors.Is(err, os.ErrClosed) {
			continue // it is reached by another name now
		} else if err != nil {
			return fmt.Errorf("serve lab: %w", err)
		}
		go func() {
			defer c.Close()
			d.answer(c)
		}()
	}
}

// Rename has who started the sandbox claim another name for it, and is reached by that from here on.
func (d *Server) Rename(name string) error {
	if err := json.NewEncoder(d.in.Reports).Encode(Word{Name: name}); err != nil {
		return fmt.Errorf("rename lab: %w", err)
	}
	select {
	case n := <-d.named:
		if n.err != nil {
			return n.err
		}
		return d.in.Move(n.at)
	case <-time.After(answerPatience):
		return errors.New("rename lab: nobody answers outside the sandbox")
	}
}

// A Word is what the first process of a sandbox says to who started it: that the lab is kept, or which name it asks
// for.
type Word struct {
	Kept bool   `json:"kept,omitempty"`
	Name string `json:"name,omitempty"`
}

func (d *Server) answer(c *net.UnixConn) {
	r, files, rest, err := receive(c)
	defer func() { closeAll(files) }()
	var a reply
	switch {
	case err != nil:
		a.Err = err.Error()
	case r.Do == "describe":
		lab := d.describe()
		a.Lab = &lab
	case r.Do == "down":
		lab := d.describe()
		if lab.State != "up" {
			a.Err = journal.ErrLive.Error()
			break
		}
		a.Err = d.in.End(c, reply{Changes: len(lab.Changes)}).Error()
	case r.Do == "run" && len(files) == 3 && len(r.Args) > 0:
		a.Code, err = serveCommand(io.MultiReader(bytes.NewReader(rest), c), d.helper, r, files)
		if err != nil {
			a.Err = err.Error()
		}
	case r.Do == "name" && len(files)+len(r.Args) == 1:
		var n naming
		if len(files) == 1 {
			n.at = sandbox.Listening(files[0])
		} else {
			n.err = errors.New(r.Args[0])
		}
		select {
		case d.named <- n:
			files = nil
		default:
			a.Err = "nobody has asked for a name"
		}
	default:
		a.Err = "unknown request " + r.Do
	}
	_ = json.NewEncoder(c).Encode(a)
}

// serveCommand runs a command in the sandbox, until it or its caller has ended, who sends it signals.
func serveCommand(caller io.Reader, helper []string, r request, files []*os.File) (int, error) {
	cmd := exec.Command("/proc/self/exe", r.Args...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = r.Env, string(r.Dir), files[0], files[1], files[2]
	if syscall.Access(cmd.Dir, 1) != nil { // the caller's folder need not be one of the sandbox
		cmd.Dir = "/"
	}
	p, err := proc.Spawn(helper, cmd)
	if err != nil {
		return 0, &kernel.Error{Op: "run", Object: cmd.Path, Err: err}
	}
	go func() {
		lines := json.NewDecoder(caller)
		for {
			var r request
			if err := lines.Decode(&r); err != nil {
				_ = p.Kill() // it may have ended, and then this is its answer being read
				return
			}
			if r.Do == "signal" {
				_ = p.Signal(syscall.Signal(r.Num)) // likewise
			}
		}
	}()
	return p.Wait()
}

// A Sandboxed is a lab in a sandbox of this user's.
type Sandboxed struct{ name string }

// ask makes a request and waits for its answer.
func (h *Sandboxed) ask(r request) (a reply, c *net.UnixConn, err error) {
	if c, err = h.dial(); err != nil {
		return a, nil, err
	}
	if err = send(c, r); err == nil {
		err = json.NewDecoder(c).Decode(&a)
	}
	if err == nil && a.Err != "" {
		err = errors.New(a.Err)
	}
	if err != nil {
		return a, nil, errors.Join(fmt.Errorf("ask lab %s to %s: %w", h.name, r.Do, h.silent(err, 0)), c.Close())
	}
	return a, c, nil
}

// Describe asks what the lab is.
func (h *Sandboxed) Describe() (Lab, error) {
	a, c, err := h.ask(request{Do: "describe"})
	if err != nil {
		return Lab{}, err
	}
	if a.Lab == nil {
		return Lab{}, errors.Join(fmt.Errorf("ask lab %s to describe: the answer has no lab in it", h.name), c.Close())
	}
	a.Lab.Sandbox = true
	return *a.Lab, c.Close()
}

// Down ends the lab: its sandbox, and with it all that is in it. It returns when that has ended.
func (h *Sandboxed) Down() (change.Undoing, error) {
	c, err := h.dial()
	if err != nil {
		return change.Undoing{}, err
	}
	defer c.Close()
	var a reply
	if err = send(c, request{Do: "down"}); err == nil {
		err = sandbox.AwaitEnd(c, &a, endPatience)
	}
	switch {
	case err == nil && a.Err == journal.ErrLive.Error():
		err = journal.ErrLive
	case err == nil && a.Err != "":
		err = errors.New(a.Err)
	}
	if err != nil {
		return change.Undoing{}, fmt.Errorf("take down lab %s: %w", h.name, h.silent(err, 0))
	}
	return change.Undoing{Undone: a.Changes}, nil
}

// Name gives the lab the name that it has asked for: what it is to listen at, or why it cannot have it.
func (h *Sandboxed) Name(l *sandbox.Listener, refused error) error {
	if refused != nil {
		_, c, err := h.ask(request{Do: "name", Args: []string{refused.Error()}})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	c, err := h.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := send(c, request{Do: "name"}, l.File()); err != nil {
		return fmt.Errorf("name lab %s: %w", h.name, err)
	}
	var a reply
	return json.NewDecoder(c).Decode(&a) // the descriptor has arrived
}

// Run runs nsscript with other arguments inside the sandbox, with the given standard descriptors and this process's
// environment and folder, and passes signals on. It returns its exit code. A terminal becomes the controlling one, so
// it must be nobody's yet.
func (h *Sandboxed) Run(args []string, stdio [3]*os.File, signals <-chan os.Signal) (int, error) {
	if _, err := h.Describe(); err != nil { // while it is at work: how long the command takes is not its affair
		return 0, err
	}
	c, err := h.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	if err := send(c, request{Do: "run", Args: args, Env: os.Environ(), Dir: []byte(dir)}, stdio[:]...); err != nil {
		return 0, fmt.Errorf("ask lab %s to run: %w", h.name, h.silent(err, 0))
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return 0, err
	}
	go func() {
		for sig := range signals {
			_ = send(c, request{Do: "signal", Num: int(sig.(syscall.Signal))}) // it may have ended
		}
	}()
	var a reply
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return 0, fmt.Errorf("lab %s has ended: %w", h.name, err)
	}
	if a.Err != "" {
		return 0, errors.New(a.Err)
	}
	return a.Code, nil
}
