package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/lab"
)

// helper is what a run starts beside itself: this program, also when its file has been replaced since.
var helper = []string{"/proc/self/exe", "helper"}

// helperCommand is for runs, not for people. With "exit CODE" before it, it exits with that code when it has done what
// it is told, and was able to.
func helperCommand() *cobra.Command {
	return &cobra.Command{Use: "helper", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			// Signals are for the run; what asks this one to end would leave the run alone. They are caught and not
			// ignored, since what this one starts would ignore them, too.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
				syscall.SIGPIPE)
			code := 0
			if len(args) > 2 && args[0] == "exit" {
				var err error
				if code, err = strconv.Atoi(args[1]); err != nil {
					return usageError{err}
				}
				args = args[2:]
			}
			r, err := lab.Open(vocabulary().Ops, "").Help(args)
			if err == nil && r != nil {
				err = reportRecovery(&events{}, *r)
			}
			if err == nil && code != 0 {
				err = exitError(code)
			}
			return err
		}}
}

// startOver makes this process one that undoes the run as if that had died, and then exits with a code. It is the way
// out of an interpreter that cannot be stopped: what it was at ends with the program, while whoever waits for the
// process, such as a shell, goes on to wait until all is undone.
func startOver(lab string, code int) {
	argv := append(append([]string{}, helper...), "exit", strconv.Itoa(code), "watch", lab)
	err := syscall.Exec(helper[0], argv, os.Environ())
	fmt.Fprintf(os.Stderr,
		"nsscript: start %s: %v; this run ends here, and `nsscript recover` undoes it if its watcher does not\n",
		helper[0], err)
	os.Exit(code)
}

// boundMemory says how much memory a script may use: 4 GiB or half of what the machine has. Garbage does not count, for
// the collector works harder before; a stack that grows without end is left to the run's watch.
func boundMemory() uint64 {
	most := uint64(4 << 30)
	var machine syscall.Sysinfo_t
	if err := syscall.Sysinfo(&machine); err == nil {
		most = min(most, machine.Totalram*uint64(machine.Unit)/2)
	}
	debug.SetMemoryLimit(int64(most / 4 * 3))
	debug.SetMaxStack(2_000_000_000)
	return most
}
