// Package proc runs commands, and ends all that they started: in a cgroup, in a PID namespace, or in a process group.
//
// It knows no network namespace: who calls it says how a thread gets to where a command is to run. What it returns are
// plain errors.
package proc
