package builtins

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/nstest"
)

var (
	spawns    = flag.Int("spawns", 100, "how many processes TestManySpawns starts")
	loggedMiB = flag.Int("logged", 64, "how many MiB the process of TestLongLog prints")
)

// TestManySpawns starts many processes one after the other, each with children that leave its session and its parent,
// and ends them in every way there is. What their children are is left neither meanwhile nor after the run.
func TestManySpawns(t *testing.T) {
	before := nstest.Dump(t)
	src := prelude(t)
	straggler := regexp.MustCompile(`/\S+/` + stray).FindString(src)
	src = fmt.Sprintf(`
begin = %q
n = netns("n1")
def sh(then, **kwargs):
    return spawn(n, ["sh", "-c", begin + then], ready = "line:up", may_exit = True, grace = "1ms", **kwargs)
def none():
    assert.eq(running(), 0)
stay = "; exec sleep 1000"
def restarted():
    p = sh("", restart = True)
    wait(lambda: p.restarts > 0, timeout = "60s")
    p.stop()
ways = [
    lambda: sh(stay).stop(),
    lambda: sh(stay).kill(),
    lambda: sh("; exit 0").wait(),
    lambda: run(host, ["kill", "-KILL", str(sh(stay).pid)]) and processes()[-1].wait(),
    lambda: attempt(lambda: [sh(stay), fail("undo")]),
    lambda: attempt(lambda: sh("; trap '' TERM INT" + stay, timeout = "1ms")),
    restarted,
]
for i in range(%d):
    attempt(lambda: [ways[i %% len(ways)](), none(), fail("undo")])
    none()
    if i %% 10 == 0:
        sh(stay)
        processes()[-1].stop()
`, strings.ReplaceAll("setsid P & (setsid sh -c '(P &) & P' &) & nohup P >/dev/null 2>&1 & echo up", "P", straggler), *spawns)
	s, _, err := session(t, src)
	if err != nil {
		t.Error(err)
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("rollback: %v, left: %v", err, u.Left)
	}
	for _, name := range []string{stray, "sleep"} {
		if n := nstest.Running(name); n > 0 {
			t.Errorf("%d of %s are left", n, name)
		}
	}
	nstest.Same(t, before)
}

// TestLongLog has a process print a lot: neither its log nor what supervises it grows with that.
func TestLongLog(t *testing.T) {
	before := nstest.Dump(t)
	s, _, err := session(t, spawning+fmt.Sprintf(`
p = sh("yes 'a line of some length, again and again' | head -c %dM; echo; echo the end; exec sleep 1000")
p.expect("the end", timeout = "30m")
assert.eq(p.logs(tail = 1), "the end\n")
`, *loggedMiB))
	if err != nil {
		t.Error(err)
	}
	disk, memory := int64(0), int64(0)
	files, _ := filepath.Glob("/run/nsscript/.process-*/*")
	for _, path := range files {
		if st := new(unix.Stat_t); unix.Lstat(path, st) == nil {
			disk += st.Blocks * 512
		}
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		text, _ := os.ReadFile(path)
		if !strings.HasSuffix(string(text), "\x00supervise\x00") {
			continue
		}
		status, err := os.ReadFile(filepath.Dir(path) + "/status")
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(status)) {
			_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &memory)
		}
	}
	t.Logf("%d MiB printed: the log takes %d bytes, its supervisor %d kB at most", *loggedMiB, disk, memory)
	if disk == 0 || disk > 2<<20+64<<10 || memory == 0 || memory > 100<<10 {
		t.Errorf("the log takes %d bytes, its supervisor %d kB", disk, memory)
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("rollback: %v, left: %v", err, u.Left)
	}
	nstest.Same(t, before)
}
