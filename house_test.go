// Package house holds the rules of the house: which way imports run, and that every package says what it is.
package house

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/nsscript/nsscript"

func list(t *testing.T, format string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestImports checks who imports what: commands, builtins, runtime, and below it rooms that know nothing of it.
func TestImports(t *testing.T) {
	only := map[string]string{ // what may be imported by these rooms only
		"github.com/vishvananda/netns":                 "runtime/kernel",
		"github.com/vishvananda/netlink":               "runtime/kernel runtime/probe builtins",
		"github.com/vishvananda/netlink/nl":            "runtime/kernel runtime/kernel/rtnl",
		"golang.org/x/sys/unix":                        "runtime/kernel runtime/kernel/rtnl runtime/probe runtime/nstest runtime/sandbox builtins",
		"github.com/spf13/cobra":                       "cmd/nsscript",
		"github.com/bazelbuild/buildtools/build":       "runtime/format",
		"testing":                                      "runtime/nstest",
		module + "/builtins":                           "cmd/nsscript",
		"github.com/creack/pty":                        "cmd/nsscript",
		"github.com/jstemmer/go-junit-report/v2/junit": "runtime/suite",
		module + "/runtime":                            "cmd/nsscript builtins runtime/check runtime/format runtime/lsp runtime/suite",
		module + "/runtime/check":                      "cmd/nsscript runtime/lsp",
		"github.com/sourcegraph/jsonrpc2":              "runtime/lsp",
		module + "/runtime/kernel/rtnl":                "runtime/kernel",
		module + "/runtime/lsp":                        "cmd/nsscript",
		module + "/runtime/suite":                      "cmd/nsscript",
		module + "/runtime/nstest":                     "",
	}
	for _, line := range list(t, `{{.ImportPath}}: {{join .Imports " "}}`) {
		pkg, imports, _ := strings.Cut(line, ":")
		room := strings.TrimPrefix(pkg, module+"/")
		for _, imp := range strings.Fields(imports) {
			if who, ruled := only[imp]; ruled && !strings.Contains(" "+who+" ", " "+room+" ") {
				t.Errorf("%s imports %s: only [%s] may", room, imp, who)
			}
			if room == "runtime/journal" && strings.Contains(strings.Split(imp, "/")[0], ".") && imp != module+"/runtime/failpoint" && imp != module+"/runtime/lock" {
				t.Errorf("runtime/journal imports %s: only the standard library, locks and failpoints may be", imp)
			}
		}
	}
}

// TestPackageDocs checks that every package says what it is.
func TestPackageDocs(t *testing.T) {
	for _, line := range list(t, `{{.ImportPath}}: {{.Doc}}`) {
		if pkg, doc, _ := strings.Cut(line, ":"); strings.TrimSpace(doc) == "" && pkg != module {
			t.Errorf("package %s has no doc", pkg)
		}
	}
}
