package runtime

import (
	"io"

	"github.com/nsscript/nsscript/runtime/change"
)

// Options say how to run. Vocabulary and Lab are needed.
type Options struct {
	Vocabulary *Vocabulary
	Lab        string // the name that the run is kept under
	Dir        string // where runs have their journals; journal.DefaultDir when empty
	Script     string // for people: what made the lab
	Args       []string
	Root       string             // folder that load() may not leave; the script's own when empty
	Stdout     io.Writer          // what the script prints; os.Stdout when nil
	Observe    func(change.Event) // told of every change, before it is made; may be nil
	// Helper is a command of the embedding program's that calls Labs.Help with the arguments after it. With it the run
	// has a watcher, a process which undoes it as soon as its own was killed; without it that waits for the next who
	// calls Labs.Recover. And where there are no cgroups, it holds together what a command of run() starts.
	Helper []string
	// Sandboxed says that all the run makes ends with its process, which is the first of a sandbox: nobody need watch
	// it.
	Sandboxed bool
	// MaxMemory ends a run whose process has more bytes in use: Go cannot recover from a machine that has no more. A
	// helper kills one that has half as many again and does not end. debug.SetMemoryLimit somewhat below it keeps
	// garbage from counting. 0 is no limit.
	MaxMemory uint64
	// Abandon is called, from a goroutine of its own, when the run was told to end and did not: the interpreter is at
	// something that nothing interrupts, such as a comparison of two huge lists. It must replace or end the process;
	// the journal tells others what to undo. Without it the run ends when the interpreter comes back.
	Abandon func(*Session, *Interrupted)
}
