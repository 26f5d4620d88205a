package main

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// inside is the argument that a process in a sandbox is started with; a job follows it.
const inside = "inside-a-sandbox"

// program is what a way's command is called in a sandbox when it is not in PATH.
const program = "./program"

//go:embed scenario.*
var scenarios embed.FS

// decoys are there before, with names like those that the lab has, and nobody has a reason to touch them.
const decoys = `link set lo up
link add lan-eth1 type veth peer name lan-eth2
link set lan-eth1 up
link set lan-eth2 up
link add s10 type bridge
netns add h10
`

// work does a job inside a sandbox and prints the report.
func work(text string) {
	var j job
	var r report
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = furnish(j.Way)
	}
	if err == nil {
		err = r.run(j)
	}
	if err != nil {
		r.Err = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		os.Exit(1)
	}
}

// furnish makes the sandbox a machine of its own: what mn -c would remove in /tmp and what Mininet would set for the
// whole kernel stays out of reach.
func furnish(w way) error {
	var binary []byte
	var err error
	if w.Binary != "" {
		if binary, err = os.ReadFile(w.Binary); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"sysfs", "/sys", "sysfs", 0},
		{"tmpfs", "/run", "tmpfs", 0},
		{"tmpfs", "/tmp", "tmpfs", 0},
		{"/proc/sys", "/proc/sys", "", syscall.MS_BIND},
		{"/proc/sys/net", "/proc/sys/net", "", syscall.MS_BIND},
		{"", "/proc/sys", "", syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_RDONLY | syscall.MS_NOSUID |
			syscall.MS_NODEV | syscall.MS_NOEXEC},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := errors.Join(os.CopyFS("/tmp", scenarios), os.Chdir("/tmp"), os.Setenv("HOME", "/tmp"),
		os.WriteFile("scenario.sh", counting(scenarios), 0o644), os.WriteFile("notes.log", nil, 0o644)); err != nil {
		return err
	}
	if binary != nil {
		if err := os.WriteFile(program, binary, 0o755); err != nil {
			return err
		}
	}
	ip := exec.Command("ip", "-batch", "-")
	ip.Stdin = strings.NewReader(decoys)
	if out, err := ip.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", ip, err, out)
	}
	return nil
}

// counting is the shell script with a point after every command, at one of which it kills its process group.
func counting(files fs.FS) []byte {
	text, _ := fs.ReadFile(files, "scenario.sh") // which is embedded
	text = regexp.MustCompile(`(?m)^\s*(ip|sysctl|forward=).*$`).ReplaceAll(text, []byte("$0\npoint"))
	return bytes.Replace(text, []byte("set -eu\n"), []byte(`set -eu
points=0
point() {
	points=$((points + 1))
	echo >&3
	[ "$points" != "$KILL_AT" ] || kill -9 0
}
`), 1)
}

// run runs the lab, kills it, and looks what has changed since before.
func (r *report) run(j job) error {
	said, err1 := os.Create("said") // not a pipe, which would be waited for as long as somebody holds it open
	points, err2 := os.Create("points")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	before := take()
	cmd := exec.Command(j.Way.Argv[0], j.Way.Argv[1:]...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("KILL_AT=%d", j.Commands))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr, cmd.ExtraFiles = said, []*os.File{points}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	began := time.Now()
	lines := make(chan int)
	go func() { lines <- kill(j, cmd.Process.Pid, ended) }()
	exit := cmd.Wait()
	r.Took = time.Since(began)
	close(ended)
	r.Lines = <-lines
	text, _ := os.ReadFile(said.Name())
	if line != "begin\n" {
		return fmt.Errorf("it said %q: %w: %s", line, errors.Join(err, exit), text)
	}
	var status *exec.ExitError
	if errors.As(exit, &status) {
		r.Killed = status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	}
	if exit != nil && !r.Killed {
		return fmt.Errorf("%w: %s", exit, text)
	}
	counted, _ := os.ReadFile(points.Name())
	r.Commands = len(counted)
	r.Stages = append(r.Stages, before.change(settled(before)))
	if j.Way.Repair != nil {
		if out, err := exec.Command(j.Way.Repair[0], j.Way.Repair[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", j.Way.Repair, err, out)
		}
		r.Stages = append(r.Stages, before.change(settled(before)))
	}
	return nil
}

// kill waits for the job's moment and kills its process group, or everything in the sandbox. It returns how many lines
// the journal had when it last looked.
func kill(j job, group int, ended chan struct{}) (lines int) {
	if j.Way.All {
		group = 1 // in kill(2) -1 is all
	}
	if j.After > 0 {
		select {
		case <-ended:
		case <-time.After(j.After):
			_ = syscall.Kill(-group, syscall.SIGKILL) // it may have ended
		}
		return 0
	}
	for j.Commands == 0 {
		select {
		case <-ended:
			return lines
		default:
		}
		text, _ := os.ReadFile("/run/nsscript/scenario/journal")
		lines = max(lines, bytes.Count(text, []byte("\n")))
		if j.Lines > 0 && lines >= j.Lines {
			_ = syscall.Kill(-group, syscall.SIGKILL)
			return lines
		}
		if j.Lines == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return 0
}

// settled waits until the sandbox is as it was before, or does not change any more.
func settled(before inventory) inventory {
	now, since := take(), time.Now()
	for {
		c := before.change(now)
		if len(c.Left)+len(c.Damage) == 0 {
			return now
		}
		patience := time.Second
		for _, l := range c.Left {
			if strings.HasPrefix(l, "process ") { // which may be about to end, or to do something
				patience = 3 * time.Second
			}
		}
		if time.Since(since) > patience {
			return now
		}
		time.Sleep(10 * time.Millisecond)
		next := take()
		if d := now.change(next); len(d.Left)+len(d.Damage) > 0 {
			since = time.Now()
		}
		now = next
	}
}

// inode is a file's number.
func inode(st fs.FileInfo) uint64 { return st.Sys().(*syscall.Stat_t).Ino }
