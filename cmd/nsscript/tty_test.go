package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// A tty is nsscript on a terminal, and what is shown there.
type tty struct {
	t          *testing.T
	cmd        *exec.Cmd
	own, their *os.File
	mu         sync.Mutex
	more       *sync.Cond
	text       []byte
	seen       int
	gone       bool
	screen     *vt.Emulator // what a person sees
}

// onTTY starts nsscript on a terminal of its own.
func onTTY(t *testing.T, cmd *exec.Cmd, size *pty.Winsize) *tty {
	t.Helper()
	own, their, err := pty.Open()
	if err == nil {
		err = pty.Setsize(own, size)
	}
	if err != nil {
		t.Fatal(err)
	}
	y := &tty{t: t, cmd: cmd, own: own, their: their, screen: vt.NewEmulator(80, 24)} // also when it does not say so
	y.more = sync.NewCond(&y.mu)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = their, their, their
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := own.Read(part)
			y.mu.Lock()
			y.text = append(y.text, part[:n]...)
			_, _ = y.screen.Write(part[:n]) // it takes everything
			y.gone = err != nil
			y.more.Broadcast()
			y.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	answers := make(chan error, 1)
	go func() {
		_, err := io.Copy(own, y.screen) // what a terminal answers when it is asked
		answers <- err
	}()
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // the test has failed
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		their.Close()
		// Only so does the emulator end while somebody reads from it: its Close is not for two goroutines.
		if err := errors.Join(y.screen.InputPipe().(io.Closer).Close(), <-answers); err != nil {
			t.Error(err)
		}
	})
	return y
}

// expect waits until a text is shown that was not awaited before.
func (y *tty) expect(want string) {
	y.t.Helper()
	alarm := time.AfterFunc(30*time.Second, func() { y.mu.Lock(); y.gone = true; y.more.Broadcast(); y.mu.Unlock() })
	defer alarm.Stop()
	y.mu.Lock()
	defer y.mu.Unlock()
	for {
		if i := bytes.Index(y.text[y.seen:], []byte(want)); i >= 0 {
			y.seen += i + len(want)
			return
		}
		if y.gone {
			_ = y.cmd.Process.Kill() // it may have ended
			y.t.Fatalf("%q was not shown after %q", want, y.text)
		}
		y.more.Wait()
	}
}

// shows waits until the screen is as wanted, and returns its lines: the last one is the cursor's, up to the cursor.
func (y *tty) shows(what string, wanted func(lines []string) bool) (lines []string) {
	y.t.Helper()
	alarm := time.AfterFunc(30*time.Second, func() { y.mu.Lock(); y.gone = true; y.more.Broadcast(); y.mu.Unlock() })
	defer alarm.Stop()
	y.mu.Lock()
	defer y.mu.Unlock()
	for {
		at := y.screen.CursorPosition()
		lines = lines[:0]
		for row := range at.Y + 1 {
			var line strings.Builder
			for col := range y.screen.Width() {
				if row == at.Y && col == at.X {
					break
				}
				if cell := y.screen.CellAt(col, row); cell == nil || cell.Content == "" {
					line.WriteByte(' ')
				} else {
					line.WriteString(cell.Content)
				}
			}
			lines = append(lines, line.String())
			if row < at.Y {
				lines[row] = strings.TrimRight(lines[row], " ")
			}
		}
		if wanted(lines) {
			return lines
		}
		if y.gone {
			_ = y.cmd.Process.Kill() // it may have ended
			y.t.Fatalf("%s is not shown, but\n%s", what, strings.Join(lines, "\n"))
		}
		y.more.Wait()
	}
}

// prompt waits until an empty prompt is all that is in the cursor's line.
func (y *tty) prompt() []string {
	y.t.Helper()
	return y.shows("the prompt", func(lines []string) bool { return lines[len(lines)-1] == ">>> " })
}

// keys types.
func (y *tty) keys(text string) {
	y.t.Helper()
	if _, err := io.WriteString(y.own, text); err != nil {
		y.t.Fatal(err)
	}
}

// enter types a line at the prompt and waits for the next one.
func (y *tty) enter(line string, shown ...string) {
	y.t.Helper()
	y.keys(line + "\r")
	y.expect("\r\n") // the line has been read; the prompt before it is drawn anew with every key
	for _, s := range shown {
		y.expect(s)
	}
	y.expect(">>> ")
	y.prompt()
}

// end waits for the end of nsscript.
func (y *tty) end() (code int, text string) {
	y.t.Helper()
	alarm := time.AfterFunc(30*time.Second, func() { _ = y.cmd.Process.Kill() })
	defer alarm.Stop()
	if err := y.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		y.t.Fatal(err)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.cmd.ProcessState.ExitCode(), string(y.text)
}

// modes are the modes of the terminal.
func (y *tty) modes() string {
	y.t.Helper()
	cmd := exec.Command("stty", "-a")
	cmd.Stdin = y.their
	out, err := cmd.Output()
	if err != nil {
		y.t.Fatal(err)
	}
	return string(out)
}

var screen = &pty.Winsize{Rows: 24, Cols: 80}

// replCommand is a command that has a history and a shell of the test's.
func replCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := nsscript(args...)
	cmd.Env = append(cmd.Env, "TERM=xterm", "SHELL=/bin/sh", "PS1=$ ", "ENV=", "XDG_STATE_HOME="+t.TempDir())
	return cmd
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
