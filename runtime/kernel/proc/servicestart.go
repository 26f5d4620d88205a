package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// ErrNoSupervisor means that this program has no helper that could be a supervisor.
var ErrNoSupervisor = errors.New("this program has no helper that could supervise it")

// FreeService chooses the folder of a service that is not there yet. Its name is random, so that it tells the service
// from any other.
func (r *Runner) FreeService() Service {
	return Service(filepath.Join(r.Folder, servicePrefix+randomName()))
}

// startPatience is how long a supervisor may take to begin, on a machine that is busy.
const startPatience = time.Minute

// StartService starts a service on a thread that enter has brought to where it is to run; see Command.Run of enter. It
// returns when the command has been executed, or nothing is left of the service.
func (r *Runner) StartService(s Service, job Job, enter func() error) error {
	if len(r.Helper) == 0 {
		return ErrNoSupervisor
	}
	err := failpoint.Call(func() error { return os.Mkdir(string(s), 0o700) })
	failpoint.Hit("process: folder made")
	if err != nil {
		return err
	}
	if err = r.supervise(s, job, enter); err != nil {
		err = errors.Join(err, r.EndService(s, 0))
	}
	return err
}

// supervise starts the supervisor and has it begin.
func (r *Runner) supervise(s Service, job Job, enter func() error) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs, ours := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	control, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return err
	}
	defer control.Close()
	folder, err := os.Open(string(s)) // from where it is to run, it need not be seen
	if err != nil {
		theirs.Close()
		return err
	}
	defer folder.Close()
	started := make(chan error, 1)
	go func() {
		err := enter()
		if err == nil {
			err = r.startSupervisor(folder, theirs)
		}
		theirs.Close()
		started <- err
	}()
	if err := errors.Join(<-started, control.SetDeadline(time.Now().Add(startPatience))); err != nil {
		return err
	}
	failpoint.Hit("process: supervisor started")
	in, out := json.NewDecoder(control), json.NewEncoder(control)
	for _, word := range []any{job, true} { // its job, and that it may begin
		var r report
		err := out.Encode(word)
		if err == nil {
			err = in.Decode(&r)
		}
		if err != nil {
			return fmt.Errorf("its supervisor does not begin: %w", err)
		}
		failpoint.Hit("process: supervisor has answered")
		if err := r.err(); err != nil {
			return err
		}
	}
	return nil
}

// startSupervisor starts it on the calling thread, with the service's folder.
func (r *Runner) startSupervisor(folder, control *os.File) error {
	cmd := exec.Command(r.Helper[0], append(r.Helper[1:len(r.Helper):len(r.Helper)], "supervise")...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.ExtraFiles = []*os.File{control, folder}
	// A session of its own: the signals of a terminal are for who started it.
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if err := failpoint.Call(cmd.Start); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // how the command ended is in the folder
	return nil
}
