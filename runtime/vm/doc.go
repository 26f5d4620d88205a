// Package vm runs a command of this program on another kernel, in a virtual machine that ends with it.
//
// It knows where a kernel comes from and which of its modules networks need ([Find]), what a machine holds (the
// initramfs, whose /init is this program), how qemu is started and ended ([Run]), and what the first process in it does
// ([Init]). It knows nothing of labs; of scripts it knows only how to find the programs that they start ([Programs]).
package vm

import "fmt"

// An Error is what this machine lacks, or a virtual one could not do. Nothing was changed.
type Error struct {
	Op   string // "boot", "find kernel" ...
	Err  error
	Hint string // what to do about it; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
