package nstest

import (
	"os"
	"syscall"
	"testing"
)

// KillOthers kills all processes of the sandbox but the test, which is its first one. Elsewhere it would kill those of
// the whole machine.
func KillOthers(t testing.TB) {
	t.Helper()
	if os.Getpid() != 1 {
		panic("this test needs a sandbox: it kills every process that it can")
	}
	if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		t.Error("kill the processes of the sandbox:", err)
	}
}
