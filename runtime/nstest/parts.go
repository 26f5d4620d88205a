package nstest

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"github.com/nsscript/nsscript/runtime/sandbox"
)

// partsEach is how many parts a sandbox runs of the tests, about: what is left at the end, while others have no work,
// gets smaller with it.
const partsEach = 6

// divisible are the flags of package testing that mean the same for each part of the tests. With others, such as those
// that make profiles, all tests run in one sandbox.
var divisible = regexp.MustCompile(`^test\.(run|skip|v|short|timeout|count|shuffle|parallel|paniconexit0|testlogfile)$`)

// A part of the tests runs in a sandbox of its own.
type part struct {
	args []string // of the test binary
	log  string   // file in which it writes down what it reads, as `go test` wants for its cache
}

// parts deals the tests out to as many sandboxes as -parallel says: their processes wait more than they work, and no
// two tests of a sandbox run at the same time. It is nil when one sandbox is to run them all.
func parts() (all []part, at int, err error) {
	whole := flag.NArg() > 0
	flag.Visit(func(f *flag.Flag) {
		whole = whole || strings.HasPrefix(f.Name, "test.") && !divisible.MatchString(f.Name)
	})
	value := func(name string) string { return flag.Lookup(name).Value.String() }
	at = flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int)
	if whole || at < 2 || strings.Contains(value("test.run"), "/") {
		return nil, 1, nil
	}
	list := exec.Command("/proc/self/exe", "-test.list", cmp.Or(value("test.run"), ".")) // which runs none
	out, err := list.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("list the tests: %w", err)
	}
	var tests []string
	for name := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(name, "Benchmark") {
			tests = append(tests, name)
		}
	}
	n := min(len(tests), at*partsEach)
	if n < 2 {
		return nil, 1, nil
	}
	names := make([][]string, n)
	for i, name := range tests { // neighbours take similarly long
		names[i%n] = append(names[i%n], name)
	}
	for i := range names {
		p := part{args: append(os.Args[1:len(os.Args):len(os.Args)], "-test.run=^("+strings.Join(names[i], "|")+")$")}
		if log := value("test.testlogfile"); log != "" {
			p.log = fmt.Sprintf("%s.%d", log, i)
			p.args = append(p.args, "-test.testlogfile="+p.log)
		}
		all = append(all, p)
	}
	return all, at, nil
}

// runParts runs the parts, some at a time. What a part says is printed when it has ended.
func runParts(all []part, at int) (code int, err error) {
	todo := make(chan part)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range at {
		workers.Go(func() {
			for p := range todo {
				said, c, e := p.run()
				mu.Lock()
				code, err = max(code, c), errors.Join(err, e)
				_, e = os.Stdout.Write(withoutVerdict(said))
				err = errors.Join(err, e)
				mu.Unlock()
			}
		})
	}
	for _, p := range all {
		todo <- p
	}
	close(todo)
	workers.Wait()
	if err == nil && code == 0 {
		fmt.Println("PASS")
	}
	return code, errors.Join(err, joinLogs(all))
}

// run runs a part and returns what it says.
func (p part) run() (said []byte, code int, err error) {
	f, err := os.CreateTemp("", "nstest")
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, err
	}
	code, err = inSandbox(p.args, nil, f, f)
	size, e1 := f.Seek(0, io.SeekEnd)
	said, e2 := io.ReadAll(io.NewSectionReader(f, 0, size))
	return said, code, errors.Join(err, e1, e2)
}

// withoutVerdict leaves out the last line, which is to be that of all parts. The byte before it is test2json's.
func withoutVerdict(said []byte) []byte {
	for _, verdict := range []string{"PASS\n", "FAIL\n"} {
		if all, ok := bytes.CutSuffix(said, []byte(verdict)); ok {
			return bytes.TrimSuffix(all, []byte{0x16})
		}
	}
	return said
}

// joinLogs makes the one log that `go test` reads of those of the parts.
func joinLogs(all []part) error {
	if all[0].log == "" {
		return nil
	}
	var log []byte
	for i, p := range all {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		if i > 0 { // its first line says what it is
			_, text, _ = bytes.Cut(text, []byte("\n"))
		}
		log = append(log, text...)
		if err := os.Remove(p.log); err != nil {
			return err
		}
	}
	return os.WriteFile(flag.Lookup("test.testlogfile").Value.String(), log, 0o666)
}

// starting keeps the parts from reading each other's marker in the environment.
var starting sync.Mutex

// inSandbox runs the test binary in namespaces and a cgroup of its own.
func inSandbox(args []string, stdin, stdout, stderr *os.File) (code int, err error) {
	cgroup, err := newCgroup()
	if err != nil {
		return 0, fmt.Errorf("make cgroup: %w", err)
	}
	defer func() { err = errors.Join(err, cgroup.remove()) }()
	starting.Lock()
	if err = os.Setenv(marker, cgroup.within); err != nil {
		panic(err)
	}
	s, err := sandbox.Start(sandbox.Spec{Argv: append([]string{"/proc/self/exe"}, args...),
		Stdin: stdin, Stdout: stdout, Stderr: stderr, Cgroup: cgroup.dir, Privileged: true})
	starting.Unlock()
	if err != nil {
		return 0, err
	}
	code, sig, err := s.Wait()
	if err == nil && sig != 0 {
		err = fmt.Errorf("the tests were ended by %s", sig)
	}
	return code, err
}
