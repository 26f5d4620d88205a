package builtins

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// outcomeFile is what came of each law on each kernel that it was tried on: the law, the kernel, and "yes" or why not.
const outcomeFile = "testdata/outcomes.tsv"

// rest leaves out of the laws what another kernel has shown: an emulated machine is slow.
var rest = flag.Bool("rest", false, "try only the laws of kinds and tables that have held on no other kernel")

// leftOut skips a law, and tells the page why.
func leftOut(t *testing.T, why string) {
	t.Helper()
	missing[t.Name()] = strings.NewReplacer("\n", " ", "\t", " ", "|", "/").Replace(why)
	t.Skip(why)
}

// missing are the reasons, by the names of the tests.
var missing = map[string]string{}

// yes is the outcome of a law that holds. Others are why it could not be tried.
const yes = "yes"

// outcomes are what came of laws, by kernels.
type outcomes map[string]map[string]string

func readOutcomes(t *testing.T) outcomes {
	t.Helper()
	all := outcomes{}
	text, err := os.ReadFile(outcomeFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			t.Fatalf("%s: %q is not three fields", outcomeFile, line)
		}
		all.put(f[0], f[1], f[2])
	}
	return all
}

func (o outcomes) put(law, release, came string) {
	if o[law] == nil {
		o[law] = map[string]string{}
	}
	o[law][release] = came
}

func (o outcomes) write(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, law := range slices.Sorted(maps.Keys(o)) {
		for _, release := range newestFirst(maps.Keys(o[law])) {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", law, release, o[law][release])
		}
	}
	if err := os.WriteFile(outcomeFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newestFirst sorts kernels.
func newestFirst(releases func(func(string) bool)) []string {
	number := func(release string) int {
		major, minor, _ := strings.Cut(release, ".")
		minor, _, _ = strings.Cut(minor, "-")
		a, _ := strconv.Atoi(major)
		b, _ := strconv.Atoi(minor)
		return a*1000 + b
	}
	return slices.SortedFunc(releases, func(a, b string) int {
		return cmp.Or(cmp.Compare(number(b), number(a)), strings.Compare(a, b))
	})
}

// on is the kernel that a law has held on, the newest of them; "" when there is none.
func (o outcomes) on(law string) string {
	for _, release := range newestFirst(maps.Keys(o[law])) {
		if o[law][release] == yes {
			return release
		}
	}
	return ""
}

// elsewhere reports whether the law has held on another kernel.
func (o outcomes) elsewhere(law, here string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(o[law])), func(release string) bool {
		return release != here && o[law][release] == yes
	})
}

// release is what the page calls this kernel: Linux's version, and whether it is Debian's for virtual machines.
func release(t *testing.T) string {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	text := unix.ByteSliceToString(name.Release[:])
	version := regexp.MustCompile(`^\d+\.\d+`).FindString(text)
	if strings.Contains(text, "-cloud-") {
		version += "-cloud"
	}
	return version
}

// hold wants an outcome written down of each law that holds here, on this kernel or another, or writes them down. What
// does not hold on a kernel of the same version elsewhere is a matter of how that was built, and of the user.
func (o outcomes) hold(t *testing.T, here string, held map[string]string) {
	t.Helper()
	for law, came := range held {
		switch {
		case *update:
			o.put(law, here, came)
		case came == yes && o.on(law) == "":
			t.Errorf("%s holds on Linux %s, and %s does not say so: write it anew with -update", law, here, outcomeFile)
		}
	}
	if *update {
		o.write(t)
		o.writePages(t)
	}
}
