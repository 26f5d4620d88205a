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
	// patience is how long a command may take to end after the second signal, or a machine after ctx.
	patience = 10 * time.Second
	memory   = 1024 // MiB, beside the initramfs
	maxCPUs  = 4
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
		m := machine{Spec: s, boots: hardware}
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
	m := machine{Spec: s, boots: emulation}
	return m.run(ctx, qemu, append(args, "-accel", "tcg,thread=multi", "-cpu", "max"), initramfs)
}

// A machine is one that runs.
type machine struct {
	Spec
	boots   time.Duration // how long that may take
	booted  bool
	console tail
}

// mute reports whether a machine ended, or was ended, without a word.
func (m *machine) mute(err error) bool { return err != nil && !m.booted }

func (m *machine) run(ctx context.Context, qemu string, args []string, initramfs *os.File) (code int, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd := exec.Command(qemu, args...)
	cmd.ExtraFiles = []*os.File{initramfs, write}
	// A session of its own: a terminal's Ctrl-C is for this process, which passes it on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	ended, err := onThread(cmd)
	write.Close()
	if err != nil {
		return 0, &Error{Op: "boot", Err: err}
	}
	heard := make(chan struct{})
	go func() { // the error is the machine's end
		_, _ = io.Copy(&m.console, read)
		close(heard)
	}()
	messages := make(chan message)
	stop := make(chan struct{})
	defer close(stop)
	go receive(out, messages, stop)
	code, err = m.follow(ctx, messages, newSender(in))
	_ = cmd.Process.Kill() // it may have ended
	<-heard
	<-ended
	if err != nil {
		why := cmp.Or(strings.TrimSpace(said.String()), m.console.last())
		if why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		if ctx.Err() == nil {
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

// receive reads messages to their end.
func receive(r io.Reader, to chan<- message, stop <-chan struct{}) {
	defer close(to)
	lines := json.NewDecoder(r)
	for {
		var m message
		if lines.Decode(&m) != nil {
			return // what is cut off is the machine's end, too
		}
		select {
		case to <- m:
		case <-stop:
			return
		}
	}
}

// follow does what the messages of a machine say, until its command has ended.
func (m *machine) follow(ctx context.Context, from <-chan message, to *sender) (code int, err error) {
	boots := time.NewTimer(m.boots)
	defer boots.Stop()
	var last <-chan time.Time // of a command that was asked to end
	done := ctx.Done()
	for {
		select {
		case msg, ok := <-from:
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
			case msg.Stdout != nil:
				_, _ = m.Stdout.Write(msg.Stdout) // a reader that has gone away misses the rest
			case msg.Stderr != nil:
				_, _ = m.Stderr.Write(msg.Stderr)
			}
		case <-boots.C:
			return 0, fmt.Errorf("%w in %s", errSilent, m.boots)
		case sig := <-m.Signals:
			number := sig.(syscall.Signal)
			if !m.booted {
				return 128 + int(number), nil // nothing was begun
			}
			if err := to.send(message{Signal: int(number)}); err != nil {
				return 0, fmt.Errorf("pass %s on: %w", number, err)
			}
			if last == nil {
				last = time.After(patience)
			}
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
