package vm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A Spec says what is to be done in a machine.
type Spec struct {
	Kernel   Kernel
	Args     []string // of this program, which it is run with
	Folders  []string // and files, that are brought in under their own names
	Programs []string // that are brought in, with their libraries
	Stdin    []byte   // what it reads
	Stdout   io.Writer
	Stderr   io.Writer
	Signals  <-chan os.Signal // that are passed on to it
	Init     []string         // this program's arguments that have it call Init
}

const (
	// hardware is how long KVM may take to boot: where it does not work, it may be there all the same.
	hardware = 5 * time.Second
	// emulation is how long an emulated machine may take to boot, also on a machine that is busy.
	emulation = 2 * time.Minute
	// patience is how long a command may take to end after a signal, and a machine's process after it was killed.
	patience = 10 * time.Second
	// heartbeat is how often a machine says that it lives.
	heartbeat = 5 * time.Second
	// silence is after how many heartbeats that did not come a machine hangs: an emulated one can be slow.
	silence = 24
	memory  = 1024 // MiB, beside the initramfs
	maxCPUs = 4
)

// errSilent is a machine that has not booted in its time.
var errSilent = errors.New("it has not booted")

// Run boots a machine, runs a command of this program in it, and returns the command's exit code. The machine ends with
// this function, and with this process however that ends.
func Run(ctx context.Context, s Spec) (code int, err error) {
	qemu, err := Program("qemu-system-x86_64")
	if err != nil {
		return 0, &Error{Op: "boot", Err: err, Hint: "apt-get install qemu-system-x86"}
	}
	initramfs, size, err := s.initramfs()
	if err != nil {
		return 0, err
	}
	defer initramfs.Close()
	args := []string{"-nodefaults", "-no-user-config", "-M", "pc", "-display", "none", "-no-reboot",
		"-smp", fmt.Sprint(min(goruntime.NumCPU(), maxCPUs)), "-m", fmt.Sprint(memory + 2*size>>20),
		"-kernel", s.Kernel.Image, "-initrd", "/proc/self/fd/3", "-append",
		"console=ttyS0 quiet panic=-1 random.trust_cpu=on rdinit=/init -- " + strings.Join(s.Init, " "),
		"-chardev", "file,id=console,path=/proc/self/fd/4", "-serial", "chardev:console",
		"-chardev", "stdio,id=control,signal=off", "-serial", "chardev:control"}
	if kvm := hardwareWorks(); kvm != no {
		m := machine{Spec: s, boots: hardware, beats: heartbeat}
		if kvm == yes {
			m.boots = emulation
		}
		code, err := m.run(ctx, qemu, append(args, "-accel", "kvm", "-cpu", "host"), initramfs)
		if kvm == yes || !m.mute(err) || ctx.Err() != nil {
			if kvm == unknown && m.booted {
				remember(yes)
			}
			return code, err
		}
		remember(no)
	}
	m := machine{Spec: s, boots: emulation, beats: heartbeat}
	return m.run(ctx, qemu, append(args, "-accel", "tcg,thread=multi", "-cpu", "max"), initramfs)
}

// A machine is one that runs.
type machine struct {
	Spec
	boots   time.Duration // how long that may take
	beats   time.Duration // how often it says that it lives
	booted  bool
	writing atomic.Bool // the machine may be talking, and nobody hears it
	console tail
}

// mute reports whether a machine ended, or was ended, without a word.
func (m *machine) mute(err error) bool { return err != nil && !m.booted }

func (m *machine) run(ctx context.Context, qemu string, args []string, initramfs *os.File) (code int, err error) {
	console, toConsole, err1 := os.Pipe()
	out, toOut, err2 := os.Pipe() // one of cmd's own would be closed with what is still in it
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	defer console.Close()
	cmd := exec.Command(qemu, args...)
	cmd.ExtraFiles = []*os.File{initramfs, toConsole}
	// A session of its own: a terminal's Ctrl-C is for this process, which passes it on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = toOut, &said, time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	ended, err := onThread(cmd)
	toConsole.Close()
	toOut.Close()
	if err != nil {
		return 0, &Error{Op: "boot", Err: err}
	}
	heard := make(chan struct{})
	go func() { // the error is the machine's end
		_, _ = io.Copy(&m.console, console)
		close(heard)
	}()
	messages := make(chan message)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer out.Close()
		m.receive(out, messages, stop)
	}()
	code, err = m.follow(ctx, messages, newSender(in))
	_ = cmd.Process.Kill() // it may have ended
	select {
	case <-ended:
	case <-time.After(patience): // the kernel does not let go of it
		return code, errors.Join(err, &Error{Op: "end", Err: fmt.Errorf("process %d of qemu goes on", cmd.Process.Pid)})
	}
	if err := console.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	<-heard
	if err != nil {
		why := cmp.Or(strings.TrimSpace(said.String()), m.console.last())
		if why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		switch {
		case ctx.Err() != nil:
		case m.booted:
			err = &Error{Op: "run virtual machine", Err: err}
		default:
			err = &Error{Op: "boot", Err: err}
		}
	}
	return code, err
}

// onThread starts a command on a thread that ends only after it: PR_SET_PDEATHSIG tells of a thread's end.
func onThread(cmd *exec.Cmd) (ended <-chan error, err error) {
	started, end := make(chan error), make(chan error, 1)
	go func() {
		goruntime.LockOSThread()
		defer goruntime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return end, <-started
}

// receive reads messages to their end. It writes what the command writes: a reader that does not read keeps nobody from
// hearing the other messages, and signals.
func (m *machine) receive(r io.Reader, to chan<- message, stop <-chan struct{}) {
	defer close(to)
	lines := json.NewDecoder(r)
	for {
		var msg message
		if lines.Decode(&msg) != nil {
			return // what is cut off is the machine's end, too
		}
		m.write(m.Stdout, msg.Stdout)
		m.write(m.Stderr, msg.Stderr)
		select {
		case to <- msg:
		case <-stop:
			return
		}
	}
}

// write writes what the command wrote. A reader that has gone away misses the rest.
func (m *machine) write(to io.Writer, text []byte) {
	if len(text) > 0 {
		m.writing.Store(true)
		_, _ = to.Write(text)
		m.writing.Store(false)
	}
}

// follow does what the messages of a machine say, until its command has ended.
func (m *machine) follow(ctx context.Context, from <-chan message, to *sender) (code int, err error) {
	boots := time.NewTimer(m.boots)
	defer boots.Stop()
	beats := time.NewTicker(m.beats)
	defer beats.Stop()
	silent := 0
	var last <-chan time.Time // of a command that was asked to end
	done := ctx.Done()
	for {
		select {
		case msg, ok := <-from:
			silent = 0
			switch {
			case !ok:
				return 0, errors.New("the machine ended before its command")
			case msg.Error != "":
				return 0, errors.New(msg.Error)
			case msg.Exit != nil:
				return *msg.Exit, nil
			case msg.Booted != "":
				m.booted = true
				boots.Stop()
			}
		case <-boots.C:
			return 0, fmt.Errorf("%w in %s", errSilent, m.boots)
		case <-beats.C:
			if silent++; m.writing.Load() {
				silent = 0
			}
			if m.booted && silent > silence {
				return 0, fmt.Errorf("the machine hangs: it has said nothing for %s", silence*m.beats)
			}
		case sig := <-m.Signals:
			number := sig.(syscall.Signal)
			if !m.booted {
				return 128 + int(number), nil // nothing was begun
			}
			if last == nil {
				last = time.After(patience)
			}
			go func() { _ = to.send(message{Signal: int(number)}) }() // a machine that does not read it is ended
		case <-last:
			return 0, fmt.Errorf("its command did not end within %s of a signal, and the machine was ended", patience)
		case <-done:
			return 0, context.Cause(ctx)
		}
	}
}

// A tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

// last are the last lines.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(t.text), "\r", "")), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
