package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// An attempt is what root of a machine can do to it, and root of a sandbox cannot: it is to fail with one of these
// words.
type attempt struct{ command, want string }

var attempts = []attempt{
	{": >/etc/nsscript-test", "Read-only|denied"},
	{": >/usr/nsscript-test", "Read-only|denied"},
	{": >>/etc/passwd", "Read-only|denied"},
	{": >/proc/sys/kernel/core_pattern", "denied"},
	{": >/proc/sys/kernel/panic", "denied"},
	{": >/proc/sys/vm/swappiness", "denied"},
	{": >/proc/sysrq-trigger", "denied|Read-only|nonexistent"},
	{": >/sys/power/state", "denied|Read-only|nonexistent"},
	{"mknod /tmp/nsscript-test b 7 0", "not permitted"},
	{"mknod /tmp/nsscript-test c 1 1", "not permitted"}, // /dev/mem
	{"mknod /dev/nsscript-test c 1 3", "not permitted|Read-only|denied"},
	{"unshare --cgroup --mount sh -c 'mount -t cgroup2 cgroup2 /mnt && mkdir /mnt/nsscript-test'",
		"denied|not permitted|Read-only"},
	{"mount -t devtmpfs devtmpfs /mnt", "denied|not permitted"},
	{"mount -t debugfs debugfs /mnt", "denied|not permitted|unknown"},
	{"hostname nsscript-test && date -s now", "not permitted"}, // a name of its own, but no clock
}

// unmounting would show root's sandbox the machine's folders, or let it write there. An ordinary user's sees what the
// user does.
var unmounting = []attempt{
	{"mount -o remount,bind,rw /", "denied|not permitted|already mounted"},
	{"mount -o remount,rw /", "denied|not permitted|already mounted"},
	{"umount -l /run", "not mounted|must be superuser|not permitted|denied|Invalid"},
	{"umount -l /", "not mounted|must be superuser|not permitted|denied|Invalid|busy"},
	{"unshare --user --map-root-user --mount mount -o remount,bind,rw /", "denied|not permitted|already mounted"},
}

// TestIsolation attacks the machine from sandboxes of root's and of an ordinary user's, and looks for what changed.
func TestIsolation(t *testing.T) {
	nstest.Unraced(t)
	machineRoot(t)
	all := attempts
	for _, dev := range machineDevices(t) {
		all = append(all, attempt{"head -c 1 " + dev, "denied"},
			attempt{"mount " + dev + " /mnt", "denied|not permitted|does not exist"})
	}
	before, machine := nstest.Dump(t), untouched(t)
	for _, id := range []uint32{0, 65534} {
		t.Run(fmt.Sprint("user ", id), func(t *testing.T) {
			bystander := exec.Command("sleep", "1000")
			bystander.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			all := all
			if id == 0 {
				all = slices.Concat(all, unmounting)
			}
			cmd := nsscript("--sandbox", "--rm", "-c", attack(all))
			if id != 0 {
				nobody(t, bystander, id)
				nobody(t, cmd, id)
			}
			if err := bystander.Start(); err != nil {
				t.Fatal(err)
			}
			out, code := outcome(t, cmd)
			lines := strings.Split(out, "\n")
			if code != 0 || len(lines) < len(all)+2 || lines[len(all)+1] != "survived" {
				t.Fatalf("exit code %d:\n%s", code, out)
			}
			for i, a := range all {
				failed := false
				for _, word := range strings.Split(a.want, "|") {
					failed = failed || strings.Contains(lines[i], word)
				}
				if strings.HasPrefix(lines[i], "0 ") || !failed {
					t.Errorf("%s: %s, want it to fail with %s", a.command, lines[i], a.want)
				}
			}
			if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("a process outside: %v", err)
			}
			_ = bystander.Process.Kill()
			if _, err := bystander.Process.Wait(); err != nil {
				t.Error(err)
			}
			if after := untouched(t); after != machine {
				t.Errorf("the machine changed:\n%s", nstest.Diff(machine, after))
			}
		})
	}
	orphans(t)
	nstest.Same(t, before)
}

// machineRoot skips a test where root is one of a user namespace, as when an ordinary user runs the tests: what that
// may do to the machine is up to whoever made the namespace.
func machineRoot(t *testing.T) {
	t.Helper()
	if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(ids), "4294967295") {
		t.Skip("root is not the machine's")
	}
}

// attack is a script that makes attempts, with a line for each of how it ended.
func attack(all []attempt) string {
	var b strings.Builder
	b.WriteString(`
def attack(command):
    r = run(host, ["sh", "-c", command], check = False)
    print("%d %s" % (r.code, (r.stdout + r.stderr).strip().replace("\n", " ")))
`)
	for _, a := range all {
		fmt.Fprintf(&b, "attack(%q)\n", a.command)
	}
	b.WriteString("attack('kill -9 -1')\nprint('survived')\n")
	return b.String()
}

// machineDevices are some that the machine's root can read.
func machineDevices(t *testing.T) (found []string) {
	t.Helper()
	for _, pattern := range []string{"/dev/mem", "/dev/port", "/dev/vd?", "/dev/sd?", "/dev/nvme?n?", "/dev/loop0"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, files...)
	}
	return found
}

// untouched is what the attempts would change.
func untouched(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, file := range []string{"/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/panic",
		"/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness", "/proc/swaps"} {
		text, err := os.ReadFile(file)
		fmt.Fprintf(&b, "%s: %q %v\n", file, text, err)
	}
	for _, pattern := range []string{"/etc/nsscript-*", "/usr/nsscript-*", "/tmp/nsscript-test*", "/dev/nsscript-*",
		"/dev/shm/nsscript-*", "/mnt/*"} {
		files, err := filepath.Glob(pattern)
		fmt.Fprintf(&b, "%s: %q %v\n", pattern, files, err)
	}
	return b.String()
}

// TestSandboxFiles has scripts in folders that a sandbox hides, or that only their owner may enter: they are found,
// with what they load and read. Root's can write where nothing of it stays, and an ordinary user's where the user can.
func TestSandboxFiles(t *testing.T) {
	nstest.Unraced(t)
	machineRoot(t)
	const text = `
load("lib.star", "name")
r = run(netns(name), ["cat", "data"])
assert.eq(r.stdout, "data\n")
for file in ["/tmp/nsscript-files", "/run/x", "/dev/shm/files"]:
    assert.eq(run(host, ["sh", "-c", "echo x >" + file + "; cat " + file]).stdout, "x\n")
print("wrote it: " + str(run(host, ["touch", "new"], check = False).code == 0))
`
	before := nstest.Dump(t)
	for _, base := range []string{"/tmp", "/run", "/root", "/var/tmp"} {
		for _, id := range []uint32{0, 65534} {
			if _, err := os.Stat(base); err != nil || base == "/root" && id != 0 {
				continue
			}
			t.Run(fmt.Sprint(base, " user ", id), func(t *testing.T) {
				private, err := os.MkdirTemp(base, "private")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(private)
				dir, mode := filepath.Join(private, "deep", "er"), os.FileMode(0o755)
				if canMoveOwners(t, base) {
					mode = 0o700
				}
				err = os.MkdirAll(dir, mode)
				for file, content := range map[string]string{"it.star": text, "lib.star": `name = "n1"`,
					"data": "data\n"} {
					if err == nil {
						err = os.WriteFile(filepath.Join(dir, file), []byte(content), mode&0o666)
					}
				}
				if err == nil {
					err = exec.Command("chown", "-R", fmt.Sprint(id), private).Run()
				}
				if err != nil {
					t.Fatal(err)
				}
				sandboxFiles(t, dir, id)
			})
		}
	}
	orphans(t)
	nstest.Same(t, before)
}

// canMoveOwners reports whether a file system has mounts with other owners, on each Linux that nsscript is for.
func canMoveOwners(t *testing.T, dir string) bool {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Type == unix.EXT4_SUPER_MAGIC || st.Type == unix.XFS_SUPER_MAGIC
}

func sandboxFiles(t *testing.T, dir string, id uint32) {
	for _, args := range [][]string{{"--sandbox", "--rm", filepath.Join(dir, "it.star")},
		{"--sandbox", "--rm", "it.star"}, {"test", "-v", dir}, {"test", "-v", "it.star"}} {
		cmd := nsscript(args...)
		want := "wrote it: False"
		if id != 0 {
			nobody(t, cmd, id)
			want = "wrote it: True"
		}
		cmd.Dir = dir // also where run() looks for data
		if out, code := outcome(t, cmd); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want %q:\n%s", args, code, want, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "new")); (err == nil) != (id != 0) {
			t.Errorf("%v: a new file outside: %v", args, err)
		}
		// An ordinary user's sandbox has the machine's.
		os.Remove("/tmp/nsscript-files")
		os.Remove("/dev/shm/files")
	}
}

// TestSandboxFolder starts sandboxes in folders that are others there: a run is in that of the same path, or in /.
func TestSandboxFolder(t *testing.T) {
	for dir, want := range map[string]string{"/proc/self": "/\n", "/proc/sys": "/proc/sys\n", "/run": "/run\n",
		"/tmp": "/tmp\n", "/": "/\n"} {
		cmd := nsscript("--sandbox", "--rm", "-q", "-c", `print(run(host, ["pwd"]).stdout)`)
		cmd.Dir = dir
		if out, code := outcome(t, cmd); code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("%s: exit code %d, want %q:\n%s", dir, code, want, out)
		}
	}
	orphans(t)
}
