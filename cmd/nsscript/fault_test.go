//go:build failpoint

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// faultsOf lists what can be made to fail in a run whose acts a log has, and how: a netlink request, another system
// call that changes something, a write of the journal.
func faultsOf(t *testing.T, log string) (faults []string) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, errno := range []syscall.Errno{syscall.EINTR, syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.EBUSY,
		syscall.EEXIST, syscall.ENODEV, syscall.EPERM} {
		calls = append(calls, strconv.Itoa(int(errno)))
	}
	ways := map[string][]string{failpoint.ACall: calls, failpoint.ARequest: append(calls, "before", "after"),
		failpoint.AWrite: {strconv.Itoa(int(syscall.ENOSPC)), strconv.Itoa(int(syscall.EIO))}}
	n := 0
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, failpoint.AnAct) {
			continue
		}
		n++
		for _, how := range ways[line] {
			faults = append(faults, fmt.Sprintf("%d once %s", n, how), fmt.Sprintf("%d ever %s", n, how))
		}
	}
	return faults
}

// TestFaults lets every request and write that changes something fail in every way, once or from then on. Either all is
// undone at once, or nsscript says exactly what is left, and `recover` undoes that when requests work again.
func TestFaults(t *testing.T) {
	total, left := 0, 0
	for _, file := range scenarios(t) {
		var faults []string
		base := 0
		for next, again := 0, true; again; {
			begin := next
			again = false
			t.Run(filepath.Base(file), func(t *testing.T) { // a new world after each failure
				t.Cleanup(func() { wipe(t) })
				before := makeWorld(t)
				if filepath.Base(file) == "14_pids.star" {
					nstest.NoCgroups(t)
					before = nstest.Dump(t)
				}
				tables := unjournalled(nstest.DumpTables(t))
				if faults == nil {
					log := filepath.Join(t.TempDir(), "hits")
					out, code := crash{args: []string{"--rm", file}, log: log}.end(t)
					if code > exitFailed {
						t.Fatalf("without a fault: exit code %d: %s", code, out)
					}
					base, faults = code, faultsOf(t, log)
					cleaned(t, before, crash{args: []string{file}}, out)
				}
				for again = true; next < len(faults); {
					next++
					if !mine(t, next+next/20) { // not always the same way
						continue
					}
					c := crash{args: []string{"--json", "--rm", file}, fault: faults[next-1]}
					total++
					o := endOf(t, c)
					if o.code == exitLeftover {
						left++
						nstest.Quiet(t, "")
						if err := o.exact(tables, unjournalled(nstest.DumpTables(t))); err != nil {
							t.Errorf("%+v: %v: %s", c, err, o.out)
						}
						if out, err := nsscript("recover").CombinedOutput(); err != nil {
							t.Fatalf("%+v: %s\nand then recover: %v: %s", c, o.out, err, out)
						}
					} else if err := o.sound(base); err != nil {
						t.Errorf("%+v: %v: %s", c, err, o.out)
					}
					cleaned(t, before, c, o.out)
				}
				again = false
			})
			if again && next == begin {
				t.Fatalf("%s: no world to go on in", file)
			}
		}
	}
	t.Logf("%d faults, %d of them left something", total, left)
}

// TestKeptFaults lets the writes of the journal fail that TestFaults does not have: the decision to keep a lab, after
// which all is undone, the decision to take it down, after which it is still up, and what the undoing writes, which
// goes on.
func TestKeptFaults(t *testing.T) {
	before := makeWorld(t)
	const file, lab = "testdata/crash/09_addresses.star", "09_addresses"
	log := filepath.Join(t.TempDir(), "hits")
	writes := func(log string) (all []int) {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		acts := regexp.MustCompile(`(?m)^`+failpoint.AnAct+`.*$`).FindAllString(string(text), -1)
		for i, act := range acts {
			if act == failpoint.AWrite {
				all = append(all, i+1)
			}
		}
		return all
	}
	ends := func(code int, says string, c crash) {
		t.Helper()
		if out, got := c.end(t); got != code || !strings.Contains(out, says) {
			t.Errorf("%+v: exit code %d, want %d and %q: %s", c, got, code, says, out)
		}
	}
	ends(0, "is up", crash{args: []string{file}, log: log})
	ends(0, "nothing left behind", crash{args: []string{"down", lab}, log: log + "2"})
	kept, down := writes(log), writes(log+"2")
	for _, how := range []string{"once 28", "ever 5"} {
		c := crash{args: []string{file}, fault: fmt.Sprintf("%d %s", kept[len(kept)-1], how)}
		ends(exitMachine, "nothing left behind", c)
		cleaned(t, before, c, "")
		for i, n := range down {
			if i > 0 && !mine(t, n) {
				continue
			}
			ends(0, "is up", crash{args: []string{file}})
			c := crash{args: []string{"down", lab}, fault: fmt.Sprintf("%d %s", n, how)}
			if i == 0 {
				up := nstest.Dump(t)
				ends(exitMachine, "write journal", c)
				nstest.Same(t, up)
				c.fault = ""
			}
			ends(0, "nothing left behind", c)
			cleaned(t, before, c, "")
		}
	}
}

// TestUndoneTwice lets the newest change of every scenario fail to be undone once: all the older ones are then undone,
// and once more after it, by this process or, when that dies in between, by the next.
func TestUndoneTwice(t *testing.T) {
	for _, file := range scenarios(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Cleanup(func() { wipe(t) })
			before := makeWorld(t)
			if filepath.Base(file) == "14_pids.star" {
				nstest.NoCgroups(t)
				before = nstest.Dump(t)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const fails = "fail(\"at the end\")\n"
			script, failing := strings.CutSuffix(string(text), fails)
			script += "netns(\"the-last\")\n"
			if failing {
				script += fails
			}
			file := filepath.Join(t.TempDir(), "last.star")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			whole := crash{args: []string{"--rm", file}, log: filepath.Join(t.TempDir(), "whole")}
			out, base := whole.end(t)
			if base > exitFailed {
				t.Fatalf("without a fault: exit code %d: %s", base, out)
			}
			cleaned(t, before, whole, out)

			// The first file that the undoing removes is the last namespace's name.
			const removal = "namespace: before the file is removed\n"
			log, err := os.ReadFile(whole.log)
			if err != nil {
				t.Fatal(err)
			}
			begin := strings.LastIndex(string(log), "change: after it was made")
			until := begin + max(0, strings.Index(string(log[begin:]), removal)) + len(removal)
			acts := strings.Count(string(log[:until]), failpoint.AnAct)
			twice := crash{args: whole.args, fault: fmt.Sprintf("%d once %d", acts+1, syscall.EBUSY),
				log: whole.log + "2"}
			out, code := twice.end(t)
			if code != base {
				t.Errorf("exit code %d, want %d: %s", code, base, out)
			}
			cleaned(t, before, twice, out)

			again, err := os.ReadFile(twice.log)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := 1+strings.Count(string(log), removal), strings.Count(string(again), removal); got != want {
				t.Errorf("%d files were removed or tried to be, want %d: %s", got, want, out)
			}
			dies := twice
			dies.at, dies.all, dies.log = passed(string(again[:strings.LastIndex(string(again), removal)]))+1,
				true, whole.log+"3"
			if out, killed := dies.run(t); !killed {
				t.Errorf("failpoint %d was not reached: %s", dies.at, out)
			}
			recovering(t)
			orphans(t)
			cleaned(t, before, dies, out)
		})
	}
}

// wipe takes away what a failed test has left in the sandbox, as far as it can.
func wipe(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	for _, dir := range labNames(t) {
		_ = nsscript("recover", "--forget", filepath.Base(dir)).Run()
	}
	_ = os.Remove("/run/nsscript")
	for kind, pattern := range map[string]string{"link": "/sys/class/net/*", "netns": "/run/netns/*"} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			_ = exec.Command("ip", kind, "del", filepath.Base(path)).Run() // lo stays
		}
	}
}

// An ending is what a run with --json said at its end.
type ending struct {
	out    string
	code   int
	failed string         // its error
	made   []string       // the changes that it made, as commands
	left   []change.Event // those that it says are left
	clean  bool           // it says that nothing is
}

func endOf(t *testing.T, c crash) (o ending) {
	t.Helper()
	o.out, o.code = c.end(t)
	for _, line := range strings.Split(o.out, "\n") {
		var ev change.Event
		if json.Unmarshal([]byte(line), &ev) != nil {
			o.failed += line + "\n"
			continue
		}
		switch {
		case ev.Event == "error":
			o.failed += ev.Text
		case ev.Event == "change":
			o.made = append(o.made, ev.Command)
		case ev.Event == "leftover" && ev.Seq > 0:
			o.left = append(o.left, ev)
		case ev.Event == "undone":
			o.clean = strings.Contains(ev.Text, "nothing left behind")
		}
	}
	o.failed = strings.TrimSpace(o.failed)
	return o
}

// machines are the errors that are the machine's: a privilege, a full or broken file system, a name that is taken.
var machines = regexp.MustCompile(`\((EPERM|ENOSPC)\)|journal.*\(EIO\)|is there already`)

// sound says what is wrong with an exit code that claims that nothing is left; base is the script's own.
func (o ending) sound(base int) error {
	want := base
	if machines.MatchString(o.failed) {
		want = exitMachine
	} else if o.failed != "" {
		want = exitFailed
	}
	switch {
	case strings.Contains(o.out, "goroutine "):
		return fmt.Errorf("it panicked")
	case o.code != want:
		return fmt.Errorf("exit code %d, want %d", o.code, want)
	case !o.clean && len(o.made) > 0:
		return fmt.Errorf("it does not say that nothing is left")
	case len(o.left) > 0:
		return fmt.Errorf("exit code %d, with something left", o.code)
	}
	return nil
}

// exact says how what is left differs from what the run says is: each change that it names must have been made and
// show, and what has nothing to do with those must not show.
func (o ending) exact(before, after string) error {
	if before == after {
		return fmt.Errorf("nothing is left")
	}
	if o.clean || len(o.left) == 0 {
		return fmt.Errorf("it names nothing that is left")
	}
	diff := nstest.Diff(before, after)
	short := regexp.MustCompile(`(?m)^. /proc/sys/.*\n`).ReplaceAllString(diff, "")
	matches := func(pattern, word string) bool {
		if strings.HasPrefix(word, "net/") { // every new namespace has them all
			return strings.Contains(diff, "- /proc/sys/"+word+" ")
		}
		return regexp.MustCompile(`(?m)^` + pattern + regexp.QuoteMeta(word) + `($|[^\w./])`).MatchString(diff)
	}
	shows := func(word string) bool { return matches(`[+-].*[^\w.]`, word) }
	named := map[string]bool{}
	for _, l := range o.left {
		if !slices.Contains(o.made, l.Command) || !strings.Contains(l.Text, l.Command+": ") {
			return fmt.Errorf("%q is named and was not made", l.Command)
		}
		pinned := strings.HasPrefix(l.Command, "ip netns") && strings.Contains(diff, "+ /run/nsscript/.pins")
		if !pinned && !slices.ContainsFunc(words(l.Command), shows) {
			return fmt.Errorf("%q is named and does not show:\n%s", l.Command, short)
		}
		for _, w := range words(l.Command) {
			named[w] = true
			for _, kin := range [][]string{{"pre0", "pre1"}, {"pre2", "pre3", "prebr"}} {
				for _, k := range kin {
					named[k] = named[k] || slices.Contains(kin, w)
				}
			}
		}
	}
	// What is inside something that is left, or over it, is left with it.
	var others []string
	with := map[string]bool{}
	for _, command := range o.made {
		if w := words(command); slices.ContainsFunc(w, func(w string) bool { return named[w] }) {
			for _, w := range w {
				with[w] = true
			}
		} else {
			others = append(others, w...)
		}
	}
	for _, w := range others {
		line := `\+.*[^\w.]`
		if strings.Contains(before, w) { // other things may say that they are on it
			line = `\+ \d+: `
		}
		if !with[w] && matches(line, w) {
			return fmt.Errorf("%s shows and is not named:\n%s", w, short)
		}
	}
	return nil
}

// vocabularyOfIP are the words of a command that name nothing.
const vocabularyOfIP = " ip link add del set type veth peer name netns bridge addr route via dev up down master " +
	"nomaster address mtu txqlen alias another group metric table blackhole sysctl mkdir exec nodad default lo host " +
	"brd + fdb mdb nexthop id addrlabel prefix label mptcp endpoint subflow self permanent static port grp " +
	"bridge_slave on type mpath "

// inTC is what names a qdisc, class or filter: its namespace, its link, and its number or priority.
var inTC = regexp.MustCompile(`^tc (?:-n (\S+) )?.*dev (\S+) .*?(?:(?:classid|handle) (\S+)|(pref \d+))`)

// words are those of a command that name something, in the way that the dump names it. A gateway is another's.
func words(command string) (names []string) {
	command = regexp.MustCompile(` via \S+`).ReplaceAllString(command, "")
	if tc := inTC.FindStringSubmatch(command); tc != nil {
		return slices.DeleteFunc([]string{tc[1], tc[2], cmp.Or(tc[3], tc[4])}, func(w string) bool { return w == "" })
	}
	if id := regexp.MustCompile(` id \d+`).FindString(command); id != "" && !strings.Contains(command, " link ") {
		return []string{id[1:]}
	}
	for _, w := range strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" ='\n", r) }) {
		if strings.HasPrefix(w, "net.") {
			w = strings.ReplaceAll(w, ".", "/")
		}
		if _, err := strconv.Atoi(w); err != nil && w[0] != '-' && !strings.Contains(vocabularyOfIP, " "+w+" ") {
			names = append(names, w)
		}
	}
	return names
}

// unjournalled is a dump without the journals, which are there as long as something is left.
func unjournalled(dump string) string {
	return regexp.MustCompile(`(?m)^/run/nsscript(/[a-z0-9]\w*(/journal)?)?\n`).ReplaceAllString(dump, "")
}
