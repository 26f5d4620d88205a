// Package kernel is the one room that talks to the Linux kernel: it enters network namespaces, speaks rtnetlink in
// them, reads and writes their sysctls, starts processes in them, and keeps images of what a change would lose.
//
// It knows objects by identity, never by name: a namespace is its cookie (SO_NETNS_COOKIE, never reused during a
// boot), a link is its namespace and interface index. It knows nothing of Starlark, of journals or of transactions.
//
// Valid methods hold what was read from a journal against what nsscript writes, before anything of it is acted on. What
// they cannot know is whether an identity is the run's own: an op's Undo looks at that.
//
// Only this package locks an OS thread or moves one into a namespace. A [Machine] and all that comes from it belong
// to one goroutine at a time.
package kernel
