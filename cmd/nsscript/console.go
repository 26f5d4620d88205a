package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/peterh/liner"
	"golang.org/x/term"

	"github.com/nsscript/nsscript/runtime/repl"
	"github.com/nsscript/nsscript/runtime/script"
)

// A console is what a REPL reads from: a line editor where there can be one, else plain lines. It is the only place
// that knows of package liner, whose state is the process's.
type console struct {
	editor  *liner.State // nil for plain lines
	plain   *bufio.Reader
	quiet   bool              // nobody sees a prompt
	before  liner.ModeApplier // the mode that the terminal is given back in
	editing liner.ModeApplier
	history *history

	asked   chan answer // of a prompt that is being answered still
	pending bool

	signals chan os.Signal
	aborts  chan struct{}
	ended   chan struct{}
	mu      sync.Mutex
	cancel  context.CancelCauseFunc // of the input that runs
	again   int
	sig     syscall.Signal
}

// An answer is what came of a prompt.
type answer struct {
	line string
	err  error
}

func openConsole(complete func(line string) (head string, candidates []string)) *console {
	t := &console{asked: make(chan answer, 1), signals: make(chan os.Signal, 8), aborts: make(chan struct{}, 1),
		ended: make(chan struct{})}
	signal.Notify(t.signals, endings...)
	survive()
	go t.listen()
	t.quiet = !term.IsTerminal(0)
	if mode, err := liner.TerminalMode(); err == nil && !t.quiet {
		t.before = mode
	}
	if t.before == nil || !term.IsTerminal(1) || !liner.TerminalSupported() {
		t.plain = bufio.NewReader(os.Stdin)
		return t
	}
	t.history = openHistory()
	t.editor = liner.NewLiner()
	t.editing, _ = liner.TerminalMode()
	t.editor.SetCtrlCAborts(true)
	t.editor.SetTabCompletionStyle(liner.TabPrints)
	t.editor.SetBeep(false)
	t.editor.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		runes := []rune(line)
		head, candidates := complete(string(runes[:pos]))
		return head, candidates, string(runes[pos:])
	})
	t.recall()
	return t
}

// Close gives the terminal back as it was. It may be called at any time, also while a prompt waits.
func (t *console) Close() {
	signal.Stop(t.signals)
	if t.before != nil {
		_ = t.before.ApplyMode() // the terminal may be gone
	}
}

// listen does what signals ask for: an interrupt ends the input that runs, or the line; the others end the REPL.
func (t *console) listen() {
	for sig := range t.signals {
		t.mu.Lock()
		if sig != syscall.SIGINT && t.sig == 0 {
			t.sig = sig.(syscall.Signal)
			close(t.ended)
		}
		switch {
		case t.cancel != nil:
			if t.again++; t.again > 1 && sig == syscall.SIGINT {
				fmt.Fprintln(os.Stderr, "nsscript: still undoing")
			}
			t.cancel(signalError{sig.(syscall.Signal)})
		case sig == syscall.SIGINT:
			select {
			case t.aborts <- struct{}{}:
			default:
			}
		}
		t.mu.Unlock()
	}
}

// Input is the context of one input, which ends at an interrupt.
func (t *console) Input() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	t.mu.Lock()
	t.cancel, t.again = cancel, 0
	if t.sig != 0 {
		cancel(signalError{t.sig})
	}
	t.mu.Unlock()
	return ctx, func() {
		t.mu.Lock()
		t.cancel = nil
		t.mu.Unlock()
		cancel(nil)
	}
}

// Prompt reads a line. One that is being read when an interrupt comes is read on by the next prompt.
func (t *console) Prompt(prompt string) (string, error) {
	select {
	case <-t.ended:
		return "", signalError{t.sig}
	default:
	}
	select {
	case <-t.aborts: // it was meant for what ran before
	default:
	}
	if !t.pending {
		t.pending = true
		go func() {
			line, err := t.ask(prompt)
			t.asked <- answer{line, err}
		}()
	} else {
		fmt.Print(prompt)
	}
	select {
	case a := <-t.asked:
		t.pending = false
		if errors.Is(a.err, liner.ErrPromptAborted) {
			return "", repl.ErrAborted
		} else if errors.As(a.err, new(*script.PanicError)) {
			return "", a.err
		} else if a.err != nil {
			if errors.Is(a.err, io.EOF) && !t.quiet {
				fmt.Println()
			}
			return "", io.EOF // a terminal that is gone is at its end
		}
		return a.line, nil
	case <-t.aborts:
		fmt.Println()
		return "", repl.ErrAborted
	case <-t.ended:
		return "", signalError{t.sig}
	}
}

func (t *console) ask(prompt string) (line string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &script.PanicError{Builtin: "nsscript", Value: p, Stack: debug.Stack()}
		}
	}()
	if t.editor != nil {
		line, err = t.editor.Prompt(prompt)
		return strings.ReplaceAll(line, lineEnd, "\n"), err
	}
	if !t.quiet {
		fmt.Print(prompt)
	}
	line, err = t.plain.ReadString('\n')
	if n := len(line); n > 0 && err == nil {
		line = line[:n-1]
	} else if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return line, err
}

// lineEnd stands for the end of a line while an input is edited that has several: the editor has but one line.
const lineEnd = "↵"

// tabs are those that a line is indented with. The editor takes each for one column, the terminal does not.
var tabs = regexp.MustCompile(`(?m)^\t+`)

// oneLine is an input as the editor shows it.
func oneLine(entry string) string {
	entry = tabs.ReplaceAllStringFunc(entry, func(t string) string { return strings.Repeat("    ", len(t)) })
	return strings.ReplaceAll(entry, "\n", lineEnd)
}

// recall gives the editor the history.
func (t *console) recall() {
	t.editor.ClearHistory()
	for _, entry := range t.history.entries {
		t.editor.AppendHistory(oneLine(entry))
	}
}

func (t *console) AppendHistory(entry string) {
	switch {
	case t.editor == nil:
	case t.history.add(entry):
		t.recall()
	default:
		t.editor.AppendHistory(oneLine(entry))
	}
}

// Size is how much can be shown at once.
func (t *console) Size() (lines, columns int) {
	if w, h, err := term.GetSize(1); err == nil && w > 0 && h > 0 {
		return h, w
	}
	return 0, 0
}

// hangupPatience is how long a command may go on whose terminal is gone.
const hangupPatience = 2 * time.Second

// wait runs a command to its end. It is told when this process is asked to end.
func (t *console) wait(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-t.ended:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP) // it may have ended
	}
	select {
	case err := <-done:
		return err
	case <-time.After(hangupPatience):
		_ = cmd.Process.Kill() // likewise
		return <-done
	}
}

// Run runs a command that has the terminal for itself, in the mode that it was in before.
func (t *console) Run(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 0}
	if err := t.before.ApplyMode(); err != nil {
		return err
	}
	err := t.wait(cmd)
	// Who is in the background is stopped when it sets the terminal, unless it ignores that. The command is not to
	// inherit it.
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	foreground()
	if t.editing != nil {
		err = errors.Join(err, t.editing.ApplyMode())
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return nil // how the last command in a shell ended is nobody's business
	}
	return err
}
