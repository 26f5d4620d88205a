package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/nsscript/nsscript/runtime/vm"
)

// needKernel leaves a test out where no virtual machine can be had: here are no networks to download a kernel from.
func needKernel(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it boots a virtual machine")
	}
	if _, err := vm.Available(); err != nil {
		t.Skip(err)
	}
	if _, err := vm.Find(t.Context(), vm.Debian, "", func(text string) { t.Log(text) }); err != nil {
		t.Skipf("`nsscript --kernel debian` has not downloaded one: %v", err)
	}
}

// write writes a script into a folder of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestKernelScript runs a script in a virtual machine. It looks like a run on this one, but for the kernel.
func TestKernelScript(t *testing.T) {
	needKernel(t)
	file := write(t, "lab.star", `
load("lib.star", "vlan")
print(args[0], "6." in run(host, ["uname", "-r"]).stdout)
n = netns("n")
run(n, ["ip", "link", "add", "d0", "type", "dummy"])
vlan(n)
run(host, ["sh", "-c", "exec 3<>/dev/net/tun"])
print(run(host, ["cat", "data"], cwd = args[1]).stdout)
fail("on purpose")
`)
	dir := filepath.Dir(file)
	for name, text := range map[string]string{"data": "beside it",
		"lib.star": "def vlan(n):\n    run(n, \"ip link add link d0 name d0.5 type vlan id 5\".split(\" \"))\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := nsscript("--kernel", "debian", file, "an argument", dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != exitFailed {
		t.Errorf("exit code %d: %v", got, err)
	}
	if got := stdout.String(); got != "an argument True\nbeside it\n" {
		t.Errorf("it printed %q", got)
	}
	for _, want := range []string{"lab.star:", "on purpose", "nothing left behind"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr.String())
		}
	}
}

// TestKernelSuite runs several cases in one virtual machine, and reports them as if they had run here.
func TestKernelSuite(t *testing.T) {
	needKernel(t)
	file := write(t, "suite.star", `
def test_passes():
    a, b = veth(netns("a"), netns("b"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))
    ping(a.ns, b.ip)

def test_fails():
    netns("n")
    print("before")
    assert.eq(1, 2)

def test_skips(t):
    t.skip("not today")
`)
	report := filepath.Join(t.TempDir(), "report.xml")
	out, code := outcome(t, nsscript("test", "--kernel", "debian", "-j", "2", "--junit", report, file))
	if code != exitFailed {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	for _, want := range []string{"ok   " + file + ":test_passes", "FAIL " + file + ":test_fails",
		"it printed:\n      before",
		"skip " + file + ":test_skips", "1 passed, 1 failed, 1 skipped"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	suites, err := junit.IngestFile(report)
	if err != nil || len(suites) != 1 || suites[0].Totals.Tests != 3 || suites[0].Totals.Failed != 1 {
		t.Errorf("JUnit's report is %+v, %v", suites, err)
	}
}

// TestKernelAuto runs in a virtual machine only what this kernel cannot run.
func TestKernelAuto(t *testing.T) {
	needKernel(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"here.star": "veth(netns(), netns())\n",
		"there.star": "require(\"dummy\")\ndummy(netns())\n", "wrong.star": "netns(\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, code := outcome(t, nsscript("test", "--strict", "--kernel", "auto", dir))
	if code != exitFailed || !strings.Contains(out, "2 passed, 1 failed, 0 skipped") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestRequired finds the features that a file names.
func TestRequired(t *testing.T) {
	file := write(t, "a.star", "def test_a():\n    require(\"dummy\")\n    print(require)\nx = \"veth\"\nrequire(x)\n")
	if got := required(file); !slices.Equal(got, []string{"dummy"}) {
		t.Errorf("it requires %q", got)
	}
}

// TestKernelEnds has a virtual machine end with the process that started it, by a signal as by SIGKILL, and that
// process with its machine.
func TestKernelEnds(t *testing.T) {
	needKernel(t)
	file := write(t, "long.star", `
netns("n")
print("up")
run(host, ["sleep", "1000"])
`)
	const machine = "the machine" // which is killed instead
	for _, c := range []struct {
		name    string
		signal  syscall.Signal
		booting bool
		to      string
		code    int
		want    string
	}{
		{"booting", syscall.SIGTERM, true, "", 128 + 15, ""},
		{"interrupted", syscall.SIGINT, false, "", 128 + 2, "nothing left behind"},
		{"killed", syscall.SIGKILL, false, "", -1, ""},
		{"without its machine", syscall.SIGKILL, false, machine, exitMachine, "the machine ended before its command"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := nsscript("--kernel", "debian", file)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			machines := awaitMachine(t, cmd.Process.Pid)
			up := make([]byte, 3)
			if c.booting {
				up = nil
			}
			if _, err := stdout.Read(up); err != nil || up != nil && string(up) != "up\n" {
				t.Fatalf("it printed %q, %v:\n%s", up, err, stderr.String())
			}
			to := cmd.Process.Pid
			if c.to == machine {
				to = machines
			}
			if err := syscall.Kill(to, c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the exit code tells
			if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", cmd.ProcessState.ExitCode(), c.code, c.want,
					stderr.String())
			}
			awaitEnd(t, machines)
		})
	}
}

// TestKernelFindEnds ends a command by a signal that looks for its kernel still.
func TestKernelFindEnds(t *testing.T) {
	dir := t.TempDir()
	begun := filepath.Join(dir, "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	apt := "#!/bin/sh\necho >" + begun + "\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(dir, "apt-cache"), []byte(apt), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := nsscript("--kernel", "debian", "-c", "netns()")
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(begun); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code tells
	if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", got)
	}
}

// awaitMachine is the virtual machine that a process starts.
func awaitMachine(t *testing.T, pid int) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, child := range childrenOf(t, pid) {
			name, err := os.ReadFile("/proc/" + child + "/comm")
			if err != nil || !strings.HasPrefix(string(name), "qemu") {
				continue // it looks for the kernel
			}
			machine, err := strconv.Atoi(child)
			if err != nil {
				t.Fatal(err)
			}
			return machine
		}
		if time.Now().After(deadline) {
			t.Fatal("it has started no machine")
		}
	}
}

// childrenOf are the processes that a process has started.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	out, err := exec.Command("ps", "--ppid", strconv.Itoa(pid), "-o", "pid=").Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) { // which says that there is none
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// awaitEnd returns when a process has ended, whose parent is another one.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d goes on: %s", pid, stat)
		}
	}
}

// TestFolders brings a folder once that is named in two ways.
func TestFolders(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got := foldersOf([]scenario{{name: "lab.star", root: dir}}); !slices.Equal(got, []string{dir}) {
		t.Errorf("it brings %q", got)
	}
}
