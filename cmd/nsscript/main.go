// Command nsscript runs labs of Linux network namespaces that are written in Starlark.
package main

import (
	"os"
	"runtime"
)

// The first thread never runs anything else, so that /proc/self/ns/net, which is the first thread's, stays the
// namespace that the process was started in: a thread that enters a namespace is another one.
func init() { runtime.LockOSThread() }

func main() {
	code := make(chan int)
	go func() { code <- run(os.Args[1:]) }()
	os.Exit(<-code)
}
