// Package repl is the read-eval-print loop: it reads inputs and commands, has a session run them, and shows what came
// of it. The terminal is its caller's.
package repl
