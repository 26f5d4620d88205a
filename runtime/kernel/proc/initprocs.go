package proc

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// initProcs are a command's processes in a PID namespace of their own.
type initProcs struct {
	helper  []string // a command that calls Init
	cmd     *exec.Cmd
	control *os.File
	report  *os.File
	drains  []func(time.Duration)
	ended   chan struct{} // closed when the first process, and so all of them, has ended; nil before it is there
}

// start starts the command on the calling thread, which is in its namespaces.
func (p *initProcs) start(cmd *exec.Cmd) (err error) {
	if err := startable(cmd); err != nil {
		return err
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	controlled, control := pipe()
	reports, reporting := pipe()
	if err != nil {
		return err
	}
	theirs = []*os.File{controlled, reporting}
	p.control, p.report = control, reports
	p.cmd = exec.Command(p.helper[0],
		append(append(p.helper[1:len(p.helper):len(p.helper)], "init", cmd.Path), cmd.Args...)...)
	p.cmd.Env, p.cmd.Dir = cmd.Env, cmd.Dir
	p.cmd.ExtraFiles = []*os.File{controlled, reporting}
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	ours := []*os.File{control, reports}
	in, isFile := cmd.Stdin.(*os.File)
	var feed *os.File
	if !isFile {
		in, feed = pipe()
		theirs, ours = append(theirs, in), append(ours, feed)
	}
	outputs := []struct {
		to   io.Writer
		from *os.File
		file *os.File
	}{{to: cmd.Stdout}, {to: cmd.Stderr}}
	for i := range outputs {
		o := &outputs[i]
		if o.file, isFile = o.to.(*os.File); !isFile {
			o.from, o.file = pipe()
			theirs, ours = append(theirs, o.file), append(ours, o.from)
		}
	}
	if err == nil {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, outputs[0].file, outputs[1].file
		err = p.cmd.Start()
	}
	if err != nil {
		for _, f := range ours {
			f.Close()
		}
		if errors.Is(err, unix.E2BIG) { // the words that are too long are the command's
			err = &fs.PathError{Op: "run", Path: cmd.Path, Err: unix.E2BIG}
		}
		return err
	}
	p.ended = make(chan struct{}) // from here on there is something to end
	if feed != nil {
		go func() {
			if cmd.Stdin != nil {
				_, _ = io.Copy(feed, cmd.Stdin) // a command need not read all of it
			}
			feed.Close()
		}()
	}
	for _, o := range outputs {
		if o.from != nil {
			p.drains = append(p.drains, drain(o.to, o.from))
		}
	}
	go func() {
		_ = p.cmd.Wait() // it was killed, or has reported
		control.Close()
		close(p.ended)
	}()
	return nil
}

// drain copies a pipe until its end. finish gives that a little time, since what a command left running may hold it
// open, and ends it.
func drain(to io.Writer, from *os.File) (finish func(time.Duration)) {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(to, from) // a writer that has enough ends the command with EPIPE
		from.Close()
		close(done)
	}()
	return func(patience time.Duration) {
		select {
		case <-done:
		case <-time.After(patience):
			from.Close()
			<-done
		}
	}
}

// wait returns when the command itself has ended.
func (p *initProcs) wait() (unix.WaitStatus, error) {
	var r report
	err := json.NewDecoder(p.report).Decode(&r)
	p.report.Close()
	for _, finish := range p.drains {
		finish(outputPatience)
	}
	switch {
	case err != nil: // it was killed before it could report
		return unix.WaitStatus(unix.SIGKILL), nil
	case r.err() != nil:
		return 0, r.err()
	case r.Last:
		<-p.ended
	}
	return r.Status, nil
}

// kill kills the command and all that it started, and returns when they have ended: the kernel ends the others before
// it lets the first one go.
func (p *initProcs) kill() error {
	p.control.Close()
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.ended
	return err
}

func (p *initProcs) leave(bool) error { return nil }

// idle reports whether none of them is running.
func (p *initProcs) idle() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// A Spawned is a command that runs in a PID namespace of its own and in this process's other namespaces.
type Spawned struct{ p *initProcs }

// Spawn starts a command with files as its descriptors. helper is a command that calls Init.
func Spawn(helper []string, cmd *exec.Cmd) (*Spawned, error) {
	p := &initProcs{helper: helper}
	if err := p.start(cmd); err != nil {
		return nil, err
	}
	return &Spawned{p}, nil
}

// Wait returns when the command itself has ended, with its exit code as a shell would give it. What it left running
// goes on as long as this process.
func (s *Spawned) Wait() (int, error) {
	st, err := s.p.wait()
	return ExitCode(st), err
}

// Signal sends a signal to the command, through its first process.
func (s *Spawned) Signal(sig os.Signal) error { return s.p.cmd.Process.Signal(sig) }

// Kill ends the command and all that it has started.
func (s *Spawned) Kill() error { return s.p.kill() }
